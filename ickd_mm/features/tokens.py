"""Lay the tokens of a vision transformer out as a map."""

from __future__ import annotations

import functools

from torch import Tensor

MOST_EXTRA = 16


@functools.lru_cache
def _grid(length: int, size: tuple[int, int]) -> tuple[int, int, int]:
    """Return (tokens left over, h, w) of the grid that leaves fewest."""
    height, width = size
    grids = {(height // s, width // s) for s in range(1, min(size) + 1)}
    grids |= {(-(-height // s), -(-width // s)) for s in range(1, max(size) + 1)}
    return min(
        ((length - h * w, h, w) for h, w in grids if h * w <= length), default=(length, 0, 0)
    )


def tokens_to_map(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    """Lay tokens (N, L, C) of images of ``size`` (height, width) out as a map (N, C, h, w).

    Of the grids that patches of s×s pixels, s = 1, 2, ..., cut from the images (at the border
    dropped or padded), the one with the fewest tokens left over is taken. What is left over
    (class, distillation and register tokens) stands first, as in ViT and DeiT, and is dropped.

    Raises:
        ValueError: if ``tokens`` are not (N, L, C), or every grid leaves more than 16.
    """
    if tokens.dim() != 3:
        raise ValueError(f"':map' lays out tokens (N, L, C), it gives {tuple(tokens.shape)}")
    extra, h, w = _grid(tokens.shape[1], (int(size[0]), int(size[1])))
    if not h or extra > MOST_EXTRA:
        raise ValueError(
            f"':map' finds no grid for {tokens.shape[1]} tokens in images of {size[0]}x{size[1]}: "
            f'tap tokens of all patches, with at most {MOST_EXTRA} others in front of them'
        )
    return tokens[:, extra:].transpose(1, 2).reshape(len(tokens), -1, h, w)

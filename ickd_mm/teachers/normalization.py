"""Give the teacher its input in its own normalisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def _scaling(preprocessor: Any) -> tuple[bool, Tensor, Tensor]:
    """Return (RGB order?, mean, std), the last two (C or 1, 1, 1) on 0-255 pixels."""
    keys = ('to_rgb', '_channel_conversion', 'channel_conversion')
    found = (getattr(preprocessor, key, None) for key in keys)
    swaps = bool(next((value for value in found if value is not None), False))
    if getattr(preprocessor, '_enable_normalize', False):
        return swaps, preprocessor.mean, preprocessor.std
    return swaps, torch.zeros(1, 1, 1), torch.ones(1, 1, 1)


def make_renormalizer(student: nn.Module, teacher: nn.Module) -> Callable[[Tensor], Tensor] | None:
    r"""Map the student's normalised images to the teacher's.

    .. math:: x_t = (\pi(x_s \sigma_s + \mu_s) - \mu_t) / \sigma_t

    where π swaps red and blue if only one of the two data preprocessors, the arguments, does.
    Pixels that the student's preprocessor padded are mapped like any others.

    Returns:
        None where the two agree, else a function of (N, C, H, W) images.

    Raises:
        ValueError: if the two are for images of different numbers of channels.
    """
    swap_s, mean_s, std_s = _scaling(student)
    swap_t, mean_t, std_t = _scaling(teacher)
    channels = max(len(v) for v in (mean_s, std_s, mean_t, std_t))
    try:
        mean_s, std_s, mean_t, std_t = (
            v.expand(channels, 1, 1).clone().cpu() for v in (mean_s, std_s, mean_t, std_t)
        )
    except RuntimeError:
        raise ValueError(
            f"the student's images have {len(mean_s)} channels and the teacher's {len(mean_t)} "
            '(data_preprocessor.mean): both must take the same images'
        ) from None
    if swap_s == swap_t and torch.equal(mean_s, mean_t) and torch.equal(std_s, std_t):
        return None
    if swap_s != swap_t:
        mean_s, std_s = mean_s.flip(0), std_s.flip(0)
    scale, shift = std_s / std_t, (mean_s - mean_t) / std_t

    def renormalize(images: Tensor) -> Tensor:
        if swap_s != swap_t:
            images = images.flip(1)
        return images * scale.to(images) + shift.to(images)

    return renormalize

r"""3×3 convolutions with a quarter of the multiplications, for the frozen teacher on a CPU.

A tile of 4×4 results is

.. math:: Y = A^T \left[ \sum_c (G w_c G^T) \odot (B^T x_c B) \right] A

for 6×6 inputs ``x_c`` and 3×3 weights ``w_c``: 36 products where the plain sum takes 144. The sum
over channels is 36 matrix products; the transforms around it cost time in proportion to the
channels, so it pays from about 100 of them. A dilated convolution is the same on every d-th row
and column.

Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016,
arXiv 1509.09308, F(4×4, 3×3) with the points 0, ±1, ±2. Its float32 error is about 1e-6, relative.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

TILE, WINDOW = 4, 6
POSITIONS = WINDOW * WINDOW
# fmt: off
_B = ((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0),
      (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1))
_G = ((1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6),
      (1 / 24, 1 / 12, 1 / 6), (1 / 24, -1 / 12, 1 / 6), (0, 0, 1))
_A = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
# fmt: on
_INTO, _OUT_OF = (torch.kron(torch.tensor(m), torch.tensor(m)).float() for m in (_B, _A))
_ALL_ONES = WINDOW + 1
"""The position that every result of a tile takes with factor 1: a bias is added there."""

TRANSFORM_COST = 128
"""Channels of matrix product that the transforms of one channel take as long as (measured)."""
CHUNK = 1 << 24
"""Numbers in the transformed inputs of a few images that are worked on together."""


def transform_weights(weight: Tensor) -> Tensor:
    """Return (36, C, C') for weights (C', C, 3, 3): :math:`G w G^T`, position by position."""
    g = torch.tensor(_G, dtype=torch.float64)
    turned = torch.einsum('ij,ocjk,lk->ilco', g, weight.double(), g)
    return turned.reshape(POSITIONS, weight.shape[1], weight.shape[0]).to(weight.dtype)


def _tiles(length: int, dilation: int) -> int:
    return -(-length // (TILE * dilation))


def winograd_pays(conv: nn.Conv2d, shape: torch.Size) -> bool:
    """Whether :func:`winograd_conv2d` can stand for ``conv`` and saves time, by the shapes alone.

    Args:
        conv: any convolution with zero padding.
        shape: (N, C, H, W) of its input.
    """
    square = len({*conv.padding}) == 1 and len({*conv.dilation}) == 1
    if conv.kernel_size != (3, 3) or conv.stride != (1, 1) or conv.groups != 1 or not square:
        return False
    d, grow = conv.dilation[0], 2 * conv.padding[0] - 2 * conv.dilation[0]
    h, w = shape[2] + grow, shape[3] + grow
    tiles = shape[0] * d * d * _tiles(h, d) * _tiles(w, d)
    if min(h, w) < 1 or tiles < 16:  # for few tiles the time goes into reading the weights
        return False
    around = TRANSFORM_COST * (1 / conv.in_channels + 1 / conv.out_channels)
    return tiles * POSITIONS * (1 + around) < 0.95 * 9 * shape[0] * h * w


def winograd_conv2d(
    x: Tensor, weights: Tensor, bias: Tensor | None, padding: int, dilation: int
) -> Tensor:
    """Convolve with 3×3 weights at stride 1.

    Args:
        x: (N, C, H, W), float32 on a CPU, channels last in memory.
        weights: (36, C, C') from :func:`transform_weights`.
        bias: (C'), or None.
        padding: zeros on each side of H and W.
        dilation: distance between the inputs of one result.

    Returns:
        (N, C', H + 2 · padding − 2 · dilation, W + …), channels last in memory.
    """
    n, c, h, w = x.shape
    size = h + 2 * (padding - dilation), w + 2 * (padding - dilation)
    grid = _tiles(size[0], dilation), _tiles(size[1], dilation)
    step = TILE * dilation
    result = x.new_empty(n, grid[0] * step, grid[1] * step, weights.shape[2])
    images = max(1, CHUNK // (POSITIONS * grid[0] * grid[1] * dilation * dilation * c))
    for start in range(0, n, images):
        part = x[start : start + images].permute(0, 2, 3, 1)
        _some_images(part, weights, bias, padding, dilation, grid, result[start : start + images])
    result = result[:, : size[0], : size[1]].contiguous()
    return result.permute(0, 3, 1, 2)


def _some_images(
    x: Tensor,
    weights: Tensor,
    bias: Tensor | None,
    padding: int,
    d: int,
    grid: tuple[int, int],
    result: Tensor,
) -> None:
    """Fill (n, rows, columns, C'), padded to whole tiles, from (n, H, W, C)."""
    n, h, w, c = x.shape
    rows, columns = (d * (TILE * count + 2) for count in grid)
    x = pad(x, (0, 0, padding, columns - w - padding, padding, rows - h - padding))
    of_image, of_row, of_column, _ = x.stride()
    windows = x.as_strided(
        (WINDOW, WINDOW, n, d, d, *grid, c),
        (d * of_row, d * of_column, of_image, of_row, of_column)
        + (TILE * d * of_row, TILE * d * of_column, 1),
    )
    turned = torch.mm(_INTO, windows.reshape(POSITIONS, -1)).view(POSITIONS, -1, c)
    products = torch.bmm(turned, weights)
    if bias is not None:
        products[_ALL_ONES] += bias
    tiles = torch.mm(_OUT_OF, products.view(POSITIONS, -1))
    tiles = tiles.view(TILE, TILE, n, d, d, *grid, weights.shape[2])
    shape = (n, grid[0], TILE, d, grid[1], TILE, d, weights.shape[2])
    result.view(shape).copy_(tiles.permute(2, 5, 0, 3, 6, 1, 4, 7))

r"""3×3 convolutions with a quarter of the multiplications, for the frozen teacher on a CPU.

A tile of 4×4 results is

.. math:: Y = A^T \left[ \sum_c (G w_c G^T) \odot (B^T x_c B) \right] A

for 6×6 inputs ``x_c`` and 3×3 weights ``w_c``: 36 products where the plain sum takes 144. The sum
over channels is 36 matrix products; the transforms around it cost time in proportion to the
channels, so it pays from about 100 channels. A dilated convolution is the same on every d-th row
and column.

Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016,
arXiv 1509.09308, F(4×4, 3×3) with the points 0, ±1, ±2. Its float32 error is about 1e-6, relative.
"""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import Tensor

TILE, WINDOW = 4, 6
POSITIONS = WINDOW * WINDOW
# fmt: off
_BT = ((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0),
       (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1))
_G = ((1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6),
      (1 / 24, 1 / 12, 1 / 6), (1 / 24, -1 / 12, 1 / 6), (0, 0, 1))
_AT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
# fmt: on
_INTO, _OUT_OF = (torch.kron(torch.tensor(m), torch.tensor(m)).float() for m in (_BT, _AT))
_ALL_ONES = WINDOW + 1
"""The position that every result of a tile takes with factor 1: a bias is added there."""

TRANSFORM_COST = 128
"""Channels of matrix product that the transforms of one channel take as long as (measured)."""
CHUNK = 12 << 20
"""Numbers that a buffer holds at most, unless a single row of tiles needs more."""
SLICE = 256
"""Input channels whose weights are transformed at once."""


class Buffers:
    """Work memory that successive convolutions share, so that it is allocated only once."""

    def __init__(self) -> None:
        self._flat: dict[str, Tensor] = {}

    def take(self, name: str, *shape: int) -> Tensor:
        """Return an uninitialised float32 tensor, valid until the next call with this name."""
        count = prod(shape)
        if name not in self._flat or self._flat[name].numel() < count:
            with torch.inference_mode(False):  # it may be used outside inference mode later
                self._flat[name] = torch.empty(count, dtype=torch.float32, device='cpu')
        return self._flat[name][:count].view(shape)


def transform_weights(weight: Tensor) -> Tensor:
    """Return (36, C, C') for weights (C', C, 3, 3): :math:`G w G^T`, position by position."""
    wide, channels = weight.shape[:2]
    g = torch.tensor(_G, dtype=torch.float64)
    turn, flat = torch.kron(g, g), weight.permute(2, 3, 1, 0)
    result = weight.new_empty(POSITIONS, channels, wide)
    for low in range(0, channels, SLICE):
        part = flat[:, :, low : low + SLICE].reshape(9, -1).double()
        result[:, low : low + SLICE] = torch.mm(turn, part).view(POSITIONS, -1, wide)
    return result


def _tiles(length: int, dilation: int) -> int:
    return -(-length // (TILE * dilation))


def winograd_pays(conv: Any, shape: torch.Size) -> bool:
    """Whether :func:`winograd_conv2d` can replace ``conv`` and saves time, by the shapes alone.

    ``conv`` is an ``nn.Conv2d`` with zero padding, ``shape`` the (N, C, H, W) of its input.
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
    x: Tensor,
    weights: Tensor,
    bias: Tensor | None,
    padding: int,
    dilation: int,
    buffers: Buffers | None = None,
) -> Tensor:
    """Convolve with 3×3 weights at stride 1.

    Args:
        x: (N, C, H, W), float32 on a CPU, channels last in memory.
        weights: (36, C, C') from :func:`transform_weights`.
        bias: (C'), or None.
        padding: zeros on each side of H and W.
        dilation: distance between the inputs of one result.
        buffers: where to work.

    Returns:
        (N, C', H + 2 · padding − 2 · dilation, W + …), channels last in memory.

    Raises:
        ValueError: if the output would be empty.
    """
    n, c, h, w = x.shape
    size = h + 2 * (padding - dilation), w + 2 * (padding - dilation)
    if min(size) < 1:
        raise ValueError(f'{h}×{w} with padding {padding} is too small for dilation {dilation}')
    grid = _tiles(size[0], dilation), _tiles(size[1], dilation)
    step = TILE * dilation
    result = x.new_empty(n, grid[0] * step, grid[1] * step, weights.shape[2])
    row = POSITIONS * grid[1] * dilation * dilation * max(c, weights.shape[2])
    images = max(1, CHUNK // (row * grid[0]))
    rows = min(grid[0], max(1, CHUNK // row))
    buffers = buffers or Buffers()
    for part, filled in zip(x.permute(0, 2, 3, 1).split(images), result.split(images)):
        for low in range(0, grid[0], rows):
            band = filled[:, low * step : (low + rows) * step]
            _band(part, weights, bias, padding, dilation, low * step, buffers, band)
    return result[:, : size[0], : size[1]].contiguous().permute(0, 3, 1, 2)


def _padded(x: Tensor, top: int, left: int, rows: int, columns: int, buffers: Buffers) -> Tensor:
    """Lay (n, H, W, C) into zeros, its corner at (top, left), which may be above the first row."""
    n, h, w, c = x.shape
    padded = buffers.take('padded', n, rows, columns, c)
    inside = slice(max(0, top), max(0, min(rows, top + h)))
    for border in (padded[:, : inside.start], padded[:, inside.stop :]):
        border.zero_()
    for border in (padded[:, inside, :left], padded[:, inside, left + w :]):
        border.zero_()
    padded[:, inside, left : left + w].copy_(x[:, inside.start - top : inside.stop - top])
    return padded


def _band(
    x: Tensor,
    weights: Tensor,
    bias: Tensor | None,
    padding: int,
    d: int,
    first: int,
    buffers: Buffers,
    result: Tensor,
) -> None:
    """Fill the rows of (n, rows, columns, C') from ``first`` on, whole tiles, from (n, H, W, C)."""
    n, c, wide = x.shape[0], x.shape[3], weights.shape[2]
    grid = result.shape[1] // (TILE * d), result.shape[2] // (TILE * d)
    tiles = n * d * d * prod(grid)
    rows, columns = (d * (TILE * count + 2) for count in grid)
    x = _padded(x, padding - first, padding, rows, columns, buffers)
    of_image, of_row, of_column, _ = x.stride()
    shape = (n, d, d, *grid, WINDOW, WINDOW, c)
    steps = (of_image, of_row, of_column, TILE * d * of_row, TILE * d * of_column)
    windows = buffers.take('windows', tiles, POSITIONS, c)
    windows.view(shape).copy_(x.as_strided(shape, (*steps, d * of_row, d * of_column, 1)))
    turned = buffers.take('turned', tiles, POSITIONS, c)
    torch.bmm(_INTO.expand(tiles, -1, -1), windows, out=turned)
    products = buffers.take('products', POSITIONS, tiles, wide)
    torch.bmm(turned.transpose(0, 1), weights, out=products)
    if bias is not None:
        products[_ALL_ONES] += bias
    finished = buffers.take('windows', TILE * TILE, tiles * wide)
    torch.mm(_OUT_OF, products.view(POSITIONS, -1), out=finished)
    found = finished.view(TILE, TILE, n, d, d, *grid, wide).permute(2, 5, 0, 3, 6, 1, 4, 7)
    result.view(n, grid[0], TILE, d, grid[1], TILE, d, wide).copy_(found)

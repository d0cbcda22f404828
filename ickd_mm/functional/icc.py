"""Inter-channel correlation and the loss on it, as pure functions.

Source: Liu et al., "Exploring Inter-Channel Correlation for Diversity-preserved Knowledge
Distillation", ICCV 2021, arXiv 2202.03680; the released code is ``ADLab-AutoDrive/ICKD``.
"""

from __future__ import annotations

from typing import Union

import torch
from torch import Tensor
from torch.nn.functional import normalize as l2_normalize

Grid = Union[int, 'tuple[int, int]']


def parse_grid(grid: Grid) -> tuple[int, int]:
    """Return ``grid`` as (rows, columns).

    Args:
        grid: ``n`` for n×n cells, or ``(n, m)``; positive integers.

    Raises:
        TypeError: if it is no integer and no pair of integers.
        ValueError: if a number of cells is below 1.
    """
    cells = (grid, grid) if isinstance(grid, int) else tuple(grid)
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in cells)
    if len(cells) != 2 or not whole:
        raise TypeError(f'grid must be a positive integer or two of them, got {grid!r}')
    if min(cells) < 1:
        raise ValueError(f'grid must be a positive integer or two of them, got {grid!r}')
    return cells


def _cells(x: Tensor, grid: tuple[int, int]) -> list[Tensor]:
    """Cut (N, C, H, W) into n·m blocks (N, C, P), row by row."""
    return [
        cell.flatten(2)
        for band in torch.tensor_split(x, grid[0], dim=2)
        for cell in torch.tensor_split(band, grid[1], dim=3)
    ]


def _check_map(x: Tensor, name: str, grid: tuple[int, int]) -> None:
    if not isinstance(x, Tensor):
        raise TypeError(f'{name} must be a tensor (N, C, H, W), got {type(x).__name__}')
    if not x.is_floating_point():
        raise TypeError(f'{name} must hold floating-point numbers, got {x.dtype}')
    if x.dim() != 4 or 0 in x.shape:
        raise ValueError(f'{name} must be a non-empty (N, C, H, W) map, got {tuple(x.shape)}')
    if grid[0] > x.shape[2] or grid[1] > x.shape[3]:
        raise ValueError(f'grid {grid} is finer than the map of {name}, {tuple(x.shape)}')


def inter_channel_correlation(x: Tensor, grid: Grid = 1, normalize: bool = True) -> Tensor:
    r"""Inner products between the channels of each grid cell.

    .. math:: G = F F^\top, \quad F \in \mathbb{R}^{C \times P}

    Args:
        x: feature map (N, C, H, W), floating point.
        grid: ``n`` or ``(n, m)`` cells, cut as :func:`torch.tensor_split` cuts.
        normalize: divide every row of G by its L2 norm (the released form); rows that are
            all zero stay zero. Then entries lie in [-1, 1].

    Returns:
        (N, n·m, C, C) in float32 (float64 for float64 input), cells in row-major order.

    Raises:
        TypeError: if ``x`` is no floating-point tensor or ``grid`` no integer or pair.
        ValueError: if ``x`` is not 4-D, is empty, or ``grid`` is finer than the map.
    """
    cells = parse_grid(grid)
    _check_map(x, 'x', cells)
    with torch.autocast(x.device.type, enabled=False):
        x = x if x.dtype == torch.float64 else x.float()
        gram = torch.stack([f @ f.transpose(1, 2) for f in _cells(x, cells)], dim=1)
        return l2_normalize(gram, dim=-1) if normalize else gram


def icc_loss(student: Tensor, teacher: Tensor, grid: Grid = 1, normalize: bool = True) -> Tensor:
    r"""Squared distance between the inter-channel correlations of two maps.

    .. math::
        \text{normalize:}\quad \frac{1}{n m}\sum_{cells} \frac{1}{C B}
            \sum_b \lVert \hat G_s - \hat G_t \rVert_F^2, \qquad
        \text{else:}\quad \frac{1}{n m}\sum_{cells} \frac{1}{C^2 B}
            \sum_b \lVert G_s - G_t \rVert_F^2

    where the rows of :math:`\hat G` have unit length. The first is the released CIFAR-100
    code's, the second the paper's equation, each averaged over the cells of the grid.

    Args:
        student: (N, C, H, W).
        teacher: (N, C, H', W'); no gradient flows into it.
        grid: ``n`` or ``(n, m)`` cells; each map is cut on its own.
        normalize: see above.

    Returns:
        A scalar, at least 0; at most 4 where ``normalize`` is set.

    Raises:
        TypeError: for what is no floating-point tensor, or a grid that is no integer or pair.
        ValueError: if N or C differ, a map is not 4-D or empty, or the grid is finer than it.
    """
    cells = parse_grid(grid)
    _check_map(student, 'student', cells)
    _check_map(teacher, 'teacher', cells)
    if student.shape[:2] != teacher.shape[:2]:
        raise ValueError(
            'student and teacher must agree in N and C, got '
            f'{tuple(student.shape)} and {tuple(teacher.shape)}; a connector mends C'
        )
    ours = inter_channel_correlation(student, cells, normalize)
    theirs = inter_channel_correlation(teacher.detach(), cells, normalize)
    n, m, c, _ = ours.shape
    scale = n * m * c * (1 if normalize else c)
    return (ours - theirs).square().sum() / scale

"""Inter-channel correlation and the loss on it, as pure functions.

Source: Liu et al., "Exploring Inter-Channel Correlation for Diversity-preserved Knowledge
Distillation", ICCV 2021, arXiv 2202.03680; the released code is ``ADLab-AutoDrive/ICKD``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .cells import Grid, parse_grid
from .checks import check_floating, shown
from .eager import ICC
from .precision import work_dtype
from .tracing import is_compiling

try:
    from .compiled import icc_operator
except AttributeError:  # torch < 2.4 has no custom_op; there torch.compile leaves the loss out
    icc_operator = None
apply_icc = ICC.apply if icc_operator is not None else torch.compiler.disable(ICC.apply)

__all__ = ['Grid', 'icc_loss', 'inter_channel_correlation', 'parse_grid']


def _cells(x: Tensor, grid: tuple[int, int]) -> list[Tensor]:
    """Cut (N, C, H, W) into n·m blocks (N, C, P), row by row."""
    return [
        cell.flatten(2)
        for band in torch.tensor_split(x, grid[0], dim=2)
        for cell in torch.tensor_split(band, grid[1], dim=3)
    ]


def _check_maps(grid: tuple[int, int], **maps: Tensor) -> None:
    """Object to maps that the grid cannot cut; every message shows all of them."""
    check_floating(**maps)
    for name, x in maps.items():
        if x.dim() != 4 or x.numel() == 0:
            raise ValueError(f'{name} must be a non-empty (N, C, H, W) map, got {shown(maps)}')
        if grid[0] > x.shape[2] or grid[1] > x.shape[3]:
            raise ValueError(
                f'grid {grid} is finer than the map of {name}, got {shown(maps)}; '
                'a cell needs at least one pixel'
            )
    first, *others = maps.values()
    for other in others:
        if first.shape[0] != other.shape[0] or first.shape[1] != other.shape[1]:
            raise ValueError(f'N and C must agree, got {shown(maps)}; a connector mends C')


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
    _check_maps(cells, x=x)
    with torch.autocast(x.device.type, enabled=False):
        x = x.to(work_dtype(x, x))
        gram = torch.stack([f @ f.transpose(1, 2) for f in _cells(x, cells)], dim=1)
        if not normalize:
            return gram
        # The norm of a zero row has no gradient; keep such rows away from it.
        dead = (gram == 0).all(-1, keepdim=True)
        norm = gram.masked_fill(dead, 1.0).norm(dim=-1, keepdim=True)
        return gram / norm


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
    _check_maps(cells, student=student, teacher=teacher)
    teacher = teacher.detach()
    need_grad = torch.is_grad_enabled() and student.requires_grad
    if icc_operator is not None and is_compiling():
        return icc_operator(student, teacher, *cells, normalize, need_grad)[0]
    return apply_icc(student, teacher, cells, normalize, need_grad)

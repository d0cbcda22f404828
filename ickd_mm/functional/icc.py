r"""Inter-channel correlation and the loss on it, as pure functions.

Source: Liu et al., "Exploring Inter-Channel Correlation for Diversity-preserved Knowledge
Distillation", ICCV 2021, arXiv 2202.03680; the released code is ``ADLab-AutoDrive/ICKD``.

**The method.** A map is cut into the cells of a grid. A cell is a matrix F with one row for each
of its C channels and one column for each of its P pixels; the correlations between its channels
are G = F Fᵀ, of shape (C, C). Write A and B for a cell of the student and of the teacher, a, b
for one channel (row) of each, and g = A a, h = B b for the same row of their matrices. Each row
adds to the loss

    normalize=True     ‖g/‖g‖ − h/‖h‖‖²  =  2 − 2 ⟨g, h⟩ / (‖g‖ ‖h‖)       the released code
    normalize=False    ‖g − h‖²                                            the paper

With ``cross`` a student's channel is held against those of the teacher: g = B a. That is linear in
the student's map, so it teaches from the first step, where G = F Fᵀ has a saddle.

**Two routes** lead there. Where cells have many pixels, :func:`_rows_by_channels` builds the C×C
matrices. Where they have few, those matrices are large and of low rank, and the P×P products of
:func:`_rows_by_pixels` contain all the information, since

    ⟨g, h⟩ = (A a)ᵀ (B b) = aᵀ (Aᵀ B) b,     the row sums of  (A (Aᵀ B)) ∘ B.

A function of one route takes student and teacher cells as (cells, P, C), so ``s`` is Aᵀ and ``t``
is Bᵀ: sums over a few pixels are fast with the channels innermost. It returns the sum over all
rows and, given a ``weight`` on it, the gradient to ``s`` as well, in the same pass: every product
that the gradient needs is at hand there, and nothing but the gradient is kept for ``backward``.
``turns`` is false where F has rank 1 (one pixel, or two that are centred): then a row's own channel
cannot turn the row, and the gradient through it, which would be rounding alone, is left out.
"""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch import Tensor

from .cells import Grid, paired_blocks, parse_grid
from .checks import check_maps, check_same_shape
from .precision import work_dtype

Part = tuple[Tensor, Optional[Tensor]]

BLOCK = {'cpu': 1 << 19, 'cuda': 1 << 24}
"""Numbers of a map that are worked on at once; on a CPU they should fit its cache."""

PIXEL_ROUTE = 3
"""The P×P products are the cheaper route where P is at most C / 3, measured."""

TINY = 2.0**-98
"""Cells below it fade out as dead: a gradient is at most 1 / (TINY · eps), which is finite."""


def _scaled(f: Tensor, smallest: Tensor | float) -> tuple[Tensor, Tensor]:
    highest, lowest = f.detach().amax((1, 2), True), f.detach().amin((1, 2), True)
    scale = torch.maximum(highest, -lowest).clamp_min(smallest)
    return f / scale, scale


def _prepare(f: Tensor, normalize: bool, center: bool) -> tuple[Tensor, Tensor | float]:
    """Return cells (cells, P, C), centred and scaled as asked for, and what divided them.

    Normalised rows do not change with the scale of a cell, so its largest value becomes 1 and
    nothing overflows. The gradient to a centred map needs no centring: it is so already.
    """
    scale: Any = 1.0
    if normalize:
        f, scale = _scaled(f, TINY)
    if center:
        f = f - f[:, :1].detach()  # makes a channel that is constant exactly zero
        f = f - f.mean(1, keepdim=True)
        if normalize:
            f, spread = _scaled(f, (TINY / scale).clamp_min(torch.finfo(f.dtype).eps))
            scale = scale * spread
    return f, scale


def _dead(norms: Tensor) -> Tensor:
    """Tell which rows count as zero: lost in the rounding of their cell's largest."""
    eps = torch.finfo(norms.dtype).eps
    return norms <= eps * norms.amax((1, 2), True).clamp_min(1.0)


def _gram(f: Tensor) -> Tensor:
    """Return F Fᵀ of cells (cells, P, C), computing a large one's upper corner by symmetry."""
    channels = f.shape[2]
    if channels <= 256:
        return f.mT @ f
    first, last = f.tensor_split(2, dim=2)
    corner = last.mT @ first
    halves = [(_gram(first), corner.mT), (corner, _gram(last))]
    return torch.cat([torch.cat(half, dim=2) for half in halves], dim=1)


def _unit_rows(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Return matrices with rows of length 1, or 0 for dead rows, and the lengths; ∞ if dead."""
    norms = torch.linalg.vector_norm(gram, dim=2, keepdim=True)
    norms = norms.masked_fill(_dead(norms), float('inf'))
    return gram / norms, norms


def _rows_by_channels(s: Tensor, t: Tensor, weight: Tensor | float | None, turns: bool) -> Part:
    """Normalised rows from the C×C matrices.

    With Δ = g/‖g‖ − h/‖h‖, the derivative of ‖Δ‖² by g is E = 2 (Δ − ½ ‖Δ‖² g/‖g‖) / ‖g‖, and G
    being symmetric in A, that by A is (E + Eᵀ) A.
    """
    (g, g_norm), (h, h_norm) = _unit_rows(_gram(s)), _unit_rows(_gram(t))
    delta = g - h
    rows = delta.square().sum(2, keepdim=True).clamp_max(4.0)
    if weight is None:
        return rows.sum(), None
    w = (2 * weight / g_norm).masked_fill(h_norm.isinf(), 0.0)
    e = delta.addcmul_(g, rows, value=-0.5).mul_(w)
    return rows.sum(), ((e + e.mT if turns else e.mT) @ s.mT).mT


def _rows_by_products(*pairs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Return what each row adds, w and c, from the factors of ⟨g, g⟩, ⟨g, h⟩ and ⟨h, h⟩.

    With w = 2 / (‖g‖ ‖h‖) and c = ⟨g, h⟩ / ‖g‖², a row's derivative is −w d⟨g, h⟩ + ½ w c d⟨g, g⟩.
    """
    gg, gh, hh = ((x * y).sum(1, keepdim=True) for x, y in pairs)
    g_norm, h_norm = gg.clamp_min(0.0).sqrt(), hh.clamp_min(0.0).sqrt()
    no_g, no_h = _dead(g_norm), _dead(h_norm)
    g_norm, h_norm = g_norm.masked_fill(no_g, 1.0), h_norm.masked_fill(no_h, 1.0)
    cos = (gh / (g_norm * h_norm)).clamp(-1.0, 1.0)
    rows = (2 - 2 * cos).masked_fill(no_g | no_h, 1.0).masked_fill(no_g & no_h, 0.0)
    w = (2 / (g_norm * h_norm)).masked_fill(no_g | no_h, 0.0)
    return rows, w, cos * h_norm / g_norm


def _rows_by_pixels(s: Tensor, t: Tensor, weight: Tensor | float | None, turns: bool) -> Part:
    """Normalised rows from P×P products.

    Here d⟨g, h⟩ = daᵀ (Aᵀ B) b + aᵀ (dAᵀ B) b: through the row's own channel, and through all
    channels, which are its columns.
    """
    sss, stt, ttt = (s @ s.mT) @ s, (s @ t.mT) @ t, (t @ t.mT) @ t
    rows, w, c = _rows_by_products((sss, s), (stt, s), (ttt, t))
    if weight is None:
        return rows.sum(), None
    own, sw = sss.mul_(c).sub_(stt).mul_(w if turns else 0.0), s * w
    grad = own.baddbmm_(sw @ t.mT, t, alpha=-1).baddbmm_(sw.mul_(c) @ s.mT, s)
    return rows.sum(), grad.mul_(weight)


def _paper_by_channels(s: Tensor, t: Tensor, weight: Tensor | float | None) -> Part:
    delta = _gram(s) - _gram(t)
    loss = delta.square().sum()
    return loss, None if weight is None else ((delta * (4 * weight)) @ s.mT).mT


def _paper_by_pixels(s: Tensor, t: Tensor, weight: Tensor | float | None) -> Part:
    """‖A Aᵀ − B Bᵀ‖² = ‖Aᵀ A‖² − 2 ‖Aᵀ B‖² + ‖Bᵀ B‖²."""
    aa, ab, bb = s @ s.mT, s @ t.mT, t @ t.mT
    loss = (aa.square().sum() - 2 * ab.square().sum() + bb.square().sum()).clamp_min(0.0)
    return loss, None if weight is None else (aa @ s).sub_(ab @ t).mul_(4 * weight)


def _crossed(
    s: Tensor, t: Tensor, weight: Tensor | float | None, normalize: bool, turns: bool, few: bool
) -> Part:
    """The cross form: ⟨g, h⟩ = aᵀ (Bᵀ B) b, and ‖A Bᵀ − B Bᵀ‖² = Σ ⟨a − b, Bᵀ B (a − b)⟩."""
    x = torch.cat([s, t], 2) if normalize else s - t
    turned = (t @ t.mT) @ x if few else t @ (t.mT @ x)
    if not normalize:
        loss = (turned * x).sum()
        return loss, None if weight is None else turned.mul_(2 * weight)
    ss, tt = turned.tensor_split(2, 2)
    rows, w, c = _rows_by_products((ss, s), (tt, s), (tt, t))
    if weight is None:
        return rows.sum(), None
    return rows.sum(), ss.mul(c).sub_(tt).mul_(w if turns else 0.0).mul_(weight)


class _ICCLoss(torch.autograd.Function):
    """The loss, with its gradient worked out beside it, block by block."""

    @staticmethod
    def forward(ctx: Any, student: Tensor, teacher: Tensor, *options: Any) -> Tensor:
        grid, normalize, center, cross, need_grad = options
        dtype = work_dtype(student, teacher)
        images, channels = student.shape[:2]
        factor = 1 / (images * channels * grid[0] * grid[1] * (1 if normalize else channels))
        limit, losses, grad = BLOCK.get(student.device.type, BLOCK['cuda']), [], None
        with torch.autocast(student.device.type, enabled=False):
            for ours, theirs in paired_blocks(student, teacher, grid, limit):
                pixels = max(block.rows.size * block.cols.size for block in (ours, theirs))
                few = PIXEL_ROUTE * pixels <= channels
                s, scale = _prepare(ours.cut(student, few).to(dtype), normalize, center)
                t, _ = _prepare(theirs.cut(teacher, few).to(dtype), normalize, center)
                weight = factor / scale if need_grad else None
                turns = s.shape[1] - center > 1
                if cross:
                    loss, part = _crossed(s, t, weight, normalize, turns, few)
                elif normalize:
                    route = _rows_by_pixels if few else _rows_by_channels
                    loss, part = route(s, t, weight, turns)
                else:
                    loss, part = (_paper_by_pixels if few else _paper_by_channels)(s, t, weight)
                losses.append(loss)
                if part is not None:
                    grad = torch.empty_like(student, dtype=dtype) if grad is None else grad
                    ours.paste(part, grad)
            ctx.save_for_backward(grad)
            ctx.dtype = student.dtype
            return torch.stack(losses).sum() * factor

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError('icc_loss has no second derivative; leave out create_graph=True')
        (grad,) = ctx.saved_tensors
        return (grad * upstream).to(ctx.dtype), *[None] * 6


def icc_loss(
    student: Tensor,
    teacher: Tensor,
    grid: Grid = 1,
    normalize: bool = True,
    center: bool = False,
    cross: bool = False,
) -> Tensor:
    r"""Squared distance between the inter-channel correlations of two maps.

    .. math::
        \text{normalize:}\quad \frac{1}{n m}\sum_{cells} \frac{1}{C B}
            \sum_b \lVert \hat G_s - \hat G_t \rVert_F^2, \qquad
        \text{else:}\quad \frac{1}{n m}\sum_{cells} \frac{1}{C^2 B}
            \sum_b \lVert G_s - G_t \rVert_F^2

    where the rows of :math:`\hat G` have unit length. The first is the released CIFAR-100
    code's, the second the paper's equation, each averaged over the cells of the grid.

    With ``normalize``, a row of G whose norm is at most ``eps`` (1.2e-7 in float32) of the largest
    in its cell counts as zero, and so do all rows of a cell below about 1e-30. It adds 1 if the
    other side's row does not, 0 if it does, and gives no gradient; what reaches its channel through
    other rows stays. So a row adds 0 to 4, and all finite maps give a finite loss and gradient. The
    paper's form grows with the fourth power of the maps, and overflows with it.

    Computed in float32 whatever autocast says (fp16 Gram matrices overflow), in float64 for
    float64 maps.

    Args:
        student: (N, C, H, W).
        teacher: (N, C, H', W'), where H', W' may differ; no gradient flows into it.
        grid: ``n`` or ``(n, m)`` cells, cut from each map as :func:`torch.tensor_split` cuts.
        normalize: see above.
        center: take each channel's mean over its cell away first, so that G holds covariances.
            A cell of one pixel has none: there the loss is 0.
        cross: :math:`G_s = F_s F_t^\top` instead; the maps must have one size.

    Returns:
        A scalar, at least 0; at most 4 where ``normalize`` is set.

    Raises:
        TypeError: for what is not a floating-point tensor, or a grid that is not 1 or 2 integers.
        ValueError: if N or C differ, a map is not 4-D or empty, the grid is finer than it, or H or
            W differ with ``cross``.
        RuntimeError: from a backward pass with ``create_graph=True``.
    """
    cells = parse_grid(grid)
    check_maps(cells, student=student, teacher=teacher)
    if cross:
        check_same_shape(student, teacher, (4,), '(N, C, H, W)')
    need_grad = torch.is_grad_enabled() and student.requires_grad
    return _ICCLoss.apply(student, teacher.detach(), cells, normalize, center, cross, need_grad)


def inter_channel_correlation(
    x: Tensor, grid: Grid = 1, normalize: bool = True, center: bool = False
) -> Tensor:
    r"""Inner products between the channels of each grid cell.

    .. math:: G = F F^\top, \quad F \in \mathbb{R}^{C \times P}

    Args:
        x: feature map (N, C, H, W), floating point.
        grid: ``n`` or ``(n, m)`` cells, cut as :func:`torch.tensor_split` cuts.
        normalize: divide every row of G by its L2 norm (the released form), so that entries lie
            in [-1, 1]; rows that :func:`icc_loss` counts as zero become zero.
        center: take each channel's mean over its cell away first.

    Returns:
        (N, n·m, C, C) in float32 (float64 for float64 input), cells in row-major order.

    Raises:
        TypeError, ValueError: as :func:`icc_loss`.
    """
    rows, cols = parse_grid(grid)
    check_maps((rows, cols), x=x)
    with torch.autocast(x.device.type, enabled=False):
        bands = torch.tensor_split(x.to(work_dtype(x, x)), rows, dim=2)
        cells = [cell for band in bands for cell in torch.tensor_split(band, cols, dim=3)]
        maps = [_prepare(cell.flatten(2).mT, normalize, center)[0] for cell in cells]
        grams = [f.mT @ f for f in maps]
        return torch.stack([_unit_rows(g)[0] if normalize else g for g in grams], dim=1)

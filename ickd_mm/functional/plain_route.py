"""The C×C route without its care for digits, for cells where that care would cost the most.

Matrices of a few hundred channels are multiplied faster than they are read; there every pass
counts. Cells come as (cells, C, P). The row-normalised form is evaluated as it is written,

    Δ = Ĝ_s − Ĝ_t,    ∂loss/∂g = 2 (Δ − ½‖Δ‖² ĝ) / ‖g‖.

A row of Ĝ is known to about 1e-7, so that Δ and the gradient are known to 1e-7 / ‖Δ‖, relative.
Where a row of Δ is too short for that, the route gives up, and one with more care takes over.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .pixel_route import CellLoss


def _gram(f: Tensor) -> Tensor:
    return torch.bmm(f, f.transpose(1, 2))


def _norms(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lengths of the rows, 1 for a zero row, and which rows are zero."""
    norms = torch.linalg.vector_norm(gram, dim=2, keepdim=True)
    zero = norms == 0
    return norms.add_(zero), zero


class Rows(NamedTuple):
    """What some rows of the two Gram matrices add.

    Attributes:
        loss: their part of the loss, float64.
        dead: rows of the student's that are all zero: no gradient flows into such a channel.
    """

    loss: Tensor
    dead: Tensor


def normalized_rows(
    gram: Tensor, other: Tensor, scale: float, need_grad: bool, short: float
) -> Rows | None:
    """Compare rows of the student's Gram matrices with the teacher's; both are overwritten.

    Args:
        gram: rows of the student's (cells, R, C); their unit vectors afterwards.
        other: the teacher's; with ``need_grad`` ∂loss/∂gram afterwards, 0 for dead rows.
        scale: factor on the sum over rows.
        need_grad: see above.
        short: the least ‖Δ‖² of a row to accept, 0 to 4.

    Returns:
        None where a row is shorter, and in it the digits of the gradient would be too few.
    """
    (a, dead), (b, blank) = _norms(gram), _norms(other)
    gram.div_(a)
    delta = torch.addcdiv(gram, other, b, value=-1, out=other)
    rows = torch.linalg.vector_norm(delta, dim=2, keepdim=True).square_()
    # NaN compares false, and so goes the careful way, which keeps it.
    if not (rows + (dead & blank)).min().item() >= short:
        return None
    if need_grad:
        weight = a.reciprocal_().mul_(2 * scale).masked_fill_(dead | blank, 0.0)
        delta.addcmul_(gram, rows, value=-0.5).mul_(weight)
    return Rows(rows.sum(dtype=torch.float64) * scale, dead)


def _normalized(
    s: Tensor, t: Tensor, scale: float, need_grad: bool, short: float, out: Tensor | None
) -> CellLoss | None:
    gram, delta = _gram(s), _gram(t)
    rows = normalized_rows(gram, delta, scale, need_grad, short)
    if rows is None or not need_grad:
        return None if rows is None else CellLoss(rows.loss, None)
    grad = torch.bmm(torch.add(delta, delta.transpose(1, 2), out=gram), s, out=out)
    return CellLoss(rows.loss, grad.masked_fill_(rows.dead, 0.0))


def _paper(s: Tensor, t: Tensor, scale: float, need_grad: bool, out: Tensor | None) -> CellLoss:
    if s.shape[2] == t.shape[2]:
        gap = s - t
        half = torch.bmm(torch.sub(s, gap, alpha=0.5), gap.transpose(1, 2))
        delta = half + half.transpose(1, 2)
    else:
        delta = _gram(s).sub_(_gram(t))
    loss = torch.linalg.vector_norm(delta, dim=(1, 2)).square().sum(dtype=torch.float64) * scale
    if not need_grad:
        return CellLoss(loss, None)
    return CellLoss(loss, torch.bmm(delta.mul_(4 * scale), s, out=out))


def plain_route(
    s: Tensor,
    t: Tensor,
    normalize: bool,
    scale: float,
    need_grad: bool,
    short: float,
    out: Tensor | None = None,
) -> CellLoss | None:
    """Evaluate cells by C×C matrices; O(C²·P) a cell.

    Args:
        s: student cells (cells, C, P).
        t: teacher cells (cells, C, P').
        normalize: the row-normalised form; else the paper's.
        scale: factor on the sum over cells.
        need_grad: also return the gradient, (cells, C, P).
        short: the least ‖Δ‖² of a row to accept, 0 to 4.
        out: where to write it, or None for a new tensor.

    Returns:
        None where rows come so close that digits would be lost: take another route.
    """
    if normalize:
        return _normalized(s, t, scale, need_grad, short, out)
    return _paper(s, t, scale, need_grad, out)

"""The C×C route: the Gram matrices themselves, one copy of each and no more.

Cells come as (cells, P, C) like on the other route and are read as F, (C, P). The student's
Gram matrix G costs half a product, being symmetric; the difference Δ = G − H costs one when the
maps are equally large, Δ = X + Xᵀ with X = ½(S + T)(S − T)ᵀ, so that near-equal maps lose no
digit; the gradient (E + Eᵀ) S with E = ∂loss/∂G costs the last.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .pixel_route import CellLoss
from .rows import power_of_two, row_terms, scaled_difference, short_number

ROWS = 256
"""Rows of a large matrix that are worked on at once."""


def _strips(x: Tensor) -> list[slice]:
    return [slice(low, low + ROWS) for low in range(0, x.shape[1], ROWS)]


def _symmetric_gram(f: Tensor, budget: int, out: Tensor) -> Tensor:
    """Write ``f @ fᵀ`` of (cells, C, P), computing little more than the lower triangle."""
    if f.shape[1] <= ROWS:
        for part in _pixel_slices(f, budget):
            some = f[:, :, part]
            out.baddbmm_(some, some.transpose(1, 2), beta=float(part.start > 0))
        return out
    for rows in _strips(f):
        strip = torch.bmm(f[:, rows], f[:, : rows.stop].transpose(1, 2))
        out[:, rows, : rows.stop] = strip
        out[:, : rows.start, rows] = strip[:, :, : rows.start].transpose(1, 2)
    return out


def _add_transpose(x: Tensor) -> Tensor:
    """Return ``x + xᵀ``; a large ``x`` is replaced by it, strip by strip."""
    if x.shape[1] <= ROWS:
        return x + x.transpose(1, 2)
    for rows in _strips(x):
        right, below = x[:, rows, rows.start :], x[:, rows.start :, rows]
        both = right + below.transpose(1, 2)
        right.copy_(both)
        below.copy_(both.transpose(1, 2))
    return x


def _dot(x: Tensor, y: Tensor) -> Tensor:
    return torch.cat([(x[:, r] * y[:, r]).sum(2, keepdim=True) for r in _strips(x)], dim=1)


def _square_distance(x: Tensor, y: Tensor) -> Tensor:
    parts = [(x[:, r] - y[:, r]).square_().sum(2, keepdim=True) for r in _strips(x)]
    return torch.cat(parts, dim=1)


def _pixel_slices(f: Tensor, budget: int) -> list[slice]:
    """Cut the pixels of (cells, C, P) so that a slice holds about ``budget`` numbers."""
    cells, channels, pixels = f.shape
    step = max(128, channels // 8, budget // (cells * channels))
    return [slice(p, p + step) for p in range(0, pixels, step)]


def _square_rows(f: Tensor, budget: int) -> Tensor:
    return sum(f[:, :, part].square().sum(2, keepdim=True) for part in _pixel_slices(f, budget))


def _difference(s: Tensor, t: Tensor, factor: Tensor | None, budget: int, out: Tensor) -> Tensor:
    """Return ``s sᵀ − t tᵀ`` with the rows of ``t`` multiplied by ``factor`` first."""
    for part in _pixel_slices(s, budget):
        ours, theirs = s[:, :, part], t[:, :, part]
        gap = ours - theirs if factor is None else scaled_difference(ours, theirs, factor)
        mean = torch.sub(ours, gap, alpha=0.5)
        out.baddbmm_(mean, gap.transpose(1, 2), beta=float(part.start > 0))
    return _add_transpose(out)


def _normalized(
    s: Tensor, t: Tensor, scale: float, need_grad: bool, budget: int, room: list[Tensor]
) -> CellLoss:
    """Return the loss, and in place of the gradient the matrix that makes it from S."""
    gram = _symmetric_gram(s, budget, room[0])
    own = gram.diagonal(dim1=1, dim2=2).unsqueeze(2).clone()
    theirs = _square_rows(t, budget)
    whole = short_number((own.sum(1, keepdim=True) / theirs.sum(1, keepdim=True)).sqrt())
    channel = power_of_two((own / theirs).sqrt() / whole)
    factor, column = whole * channel, 1 / channel.transpose(1, 2)

    if s.shape[2] == t.shape[2]:
        delta = _difference(s, t, factor, budget, room[1])
    else:
        delta = _symmetric_gram(t, budget, room[1]).mul_(factor).mul_(factor.transpose(1, 2))
        torch.sub(gram, delta, out=delta)
    # Undo the teacher's channel factors where its channels stand for columns.
    torch.lerp(gram, delta, column, out=delta)
    n = _dot(gram, gram)
    b2 = torch.where(theirs == 0, theirs, _square_distance(gram, delta))
    terms = row_terms(n, b2, _dot(delta, gram), _dot(delta, delta))
    loss = terms.loss.sum(dtype=torch.float64) * scale
    if not need_grad:
        return CellLoss(loss, None)
    delta.addcmul_(gram, terms.along, value=-1).mul_(terms.weight * scale)
    return CellLoss(loss, _add_transpose(delta).mul_(n != 0))


def _paper(
    s: Tensor, t: Tensor, scale: float, need_grad: bool, budget: int, room: list[Tensor]
) -> CellLoss:
    """Return the same for the paper's form."""
    if s.shape[2] == t.shape[2]:
        delta = _difference(s, t, None, budget, room[1])
    else:
        delta = _symmetric_gram(s, budget, room[1]).sub_(_symmetric_gram(t, budget, room[0]))
    loss = _dot(delta, delta).sum(dtype=torch.float64) * scale
    return CellLoss(loss, delta.mul_(4 * scale) if need_grad else None)


def _room(s: Tensor, out: Tensor | None) -> list[Tensor]:
    """Return two C×C matrices a cell: at both ends of ``out`` if they fit there, or new ones."""
    cells, channels, pixels = s.shape
    square = channels * channels
    if out is None or not out.is_contiguous() or pixels < 2 * channels:
        return [s.new_empty(cells, channels, channels) for _ in range(2)]
    flat = out.view(cells, -1)
    return [x.view(cells, channels, channels) for x in (flat[:, :square], flat[:, -square:])]


def channel_route(
    s: Tensor,
    t: Tensor,
    normalize: bool,
    scale: float,
    need_grad: bool,
    budget: int,
    out: Tensor | None = None,
) -> CellLoss:
    """Evaluate cells by C×C matrices; O(C²·P) a cell.

    Args:
        s: student cells (cells, P, C).
        t: teacher cells (cells, P', C).
        normalize: the row-normalised form; else the paper's.
        scale: factor on the sum over cells.
        need_grad: also return the gradient, (cells, P, C).
        budget: numbers that a temporary slice of the maps may hold.
        out: (cells, C, P), where to write the gradient instead of returning it. Where it is
            large enough the matrices live in it until then, and take no memory of their own.
    """
    matrices = _normalized if normalize else _paper
    s, t = s.transpose(1, 2), t.transpose(1, 2)
    loss, matrix = matrices(s, t, scale, need_grad, budget, _room(s, out))
    if matrix is None:
        return CellLoss(loss, None)
    if out is None:
        return CellLoss(loss, torch.bmm(matrix, s).transpose(1, 2))
    # The matrix may end where ``out`` ends: rows written so far never reach its rows to come.
    for rows in _strips(matrix):
        torch.bmm(matrix[:, rows].clone(), s, out=out[:, rows])
    return CellLoss(loss, None)

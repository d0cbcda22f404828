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
"""Rows of a symmetric product that are taken at once."""


def _symmetric_gram(f: Tensor) -> Tensor:
    """Return ``f @ fᵀ`` of (cells, C, P), computing little more than the lower triangle."""
    channels = f.shape[1]
    if channels <= ROWS:
        return torch.bmm(f, f.transpose(1, 2))
    gram = f.new_empty(f.shape[0], channels, channels)
    for low in range(0, channels, ROWS):
        high = min(low + ROWS, channels)
        strip = torch.bmm(f[:, low:high], f[:, :high].transpose(1, 2))
        gram[:, low:high, :high] = strip
        gram[:, :low, low:high] = strip[:, :, :low].transpose(1, 2)
    return gram


def _slices(f: Tensor, budget: int) -> list[slice]:
    """Cut the pixels of (cells, C, P) so that a slice holds about ``budget`` numbers."""
    step = max(64, budget // (f.shape[0] * f.shape[1]))
    return [slice(p, p + step) for p in range(0, f.shape[2], step)]


def _square_rows(f: Tensor, budget: int) -> Tensor:
    return sum(f[:, :, part].square().sum(2, keepdim=True) for part in _slices(f, budget))


def _difference(s: Tensor, t: Tensor, factor: Tensor | None, budget: int) -> Tensor:
    """Return ``s sᵀ − t tᵀ`` with the rows of ``t`` multiplied by ``factor`` first."""
    product = s.new_zeros(s.shape[0], s.shape[1], s.shape[1])
    for part in _slices(s, budget):
        ours = s[:, :, part]
        theirs = t[:, :, part]
        if factor is None:
            gap = ours - theirs
        else:
            gap = scaled_difference(ours, theirs, factor)
        mean = torch.sub(ours, gap, alpha=0.5)
        product.baddbmm_(mean, gap.transpose(1, 2))
    return _add_transpose(product)


def _row_slices(x: Tensor) -> list[slice]:
    return [slice(low, low + ROWS) for low in range(0, x.shape[1], ROWS)]


def _add_transpose(x: Tensor) -> Tensor:
    """Replace ``x`` by ``x + xᵀ``, strip by strip."""
    for rows in _row_slices(x):
        right, below = x[:, rows, rows.start :], x[:, rows.start :, rows]
        both = right + below.transpose(1, 2)
        right.copy_(both)
        below.copy_(both.transpose(1, 2))
    return x


def _dot(x: Tensor, y: Tensor) -> Tensor:
    parts = [(x[:, rows] * y[:, rows]).sum(2, keepdim=True) for rows in _row_slices(x)]
    return torch.cat(parts, dim=1)


def _square_distance(x: Tensor, y: Tensor) -> Tensor:
    parts = [(x[:, r] - y[:, r]).square_().sum(2, keepdim=True) for r in _row_slices(x)]
    return torch.cat(parts, dim=1)


def _normalized(s: Tensor, t: Tensor, scale: float, need_grad: bool, budget: int) -> CellLoss:
    """Return the loss, and in place of the gradient the matrix that makes it from S."""
    gram = _symmetric_gram(s)
    own = gram.diagonal(dim1=1, dim2=2).unsqueeze(2).clone()
    theirs = _square_rows(t, budget)
    whole = short_number((own.sum(1, keepdim=True) / theirs.sum(1, keepdim=True)).sqrt())
    channel = power_of_two((own / theirs).sqrt() / whole)
    factor, column = whole * channel, 1 / channel.transpose(1, 2)

    if s.shape[2] == t.shape[2]:
        delta = _difference(s, t, factor, budget)
    else:
        delta = gram - _symmetric_gram(t).mul_(factor).mul_(factor.transpose(1, 2))
    unit = 1 / power_of_two(own.sum(1, keepdim=True))
    gram *= unit
    delta *= unit
    # Undo the teacher's channel factors where its channels stand for columns.
    delta = torch.lerp(gram, delta, column, out=delta)
    n = _dot(gram, gram)
    b2 = _square_distance(gram, delta)
    b2 = torch.where(theirs == 0, theirs, b2)
    balance = power_of_two((n / b2).sqrt())
    delta = torch.lerp(gram, delta, balance, out=delta)
    terms = row_terms(n, b2 * balance * balance, _dot(delta, gram), _dot(delta, delta))
    loss = terms.loss.sum(dtype=torch.float64) * scale
    if not need_grad:
        return CellLoss(loss, None)

    delta.addcmul_(gram, terms.along, value=-1).mul_(terms.weight * scale * unit)
    del gram
    return CellLoss(loss, _add_transpose(delta).mul_(n != 0))


def _paper(s: Tensor, t: Tensor, scale: float, need_grad: bool, budget: int) -> CellLoss:
    """Return the same for the paper's form."""
    if s.shape[2] == t.shape[2]:
        delta = _difference(s, t, None, budget)
    else:
        delta = _symmetric_gram(s).sub_(_symmetric_gram(t))
    loss = _dot(delta, delta).sum(dtype=torch.float64) * scale
    return CellLoss(loss, delta.mul_(4 * scale) if need_grad else None)


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
        out: (cells, C, P), where to write the gradient instead of returning it.
    """
    matrices = _normalized if normalize else _paper
    s, t = s.transpose(1, 2), t.transpose(1, 2)
    loss, matrix = matrices(s, t, scale, need_grad, budget)
    if matrix is None:
        return CellLoss(loss, None)
    if out is not None:
        torch.bmm(matrix, s, out=out)
        return CellLoss(loss, None)
    return CellLoss(loss, torch.bmm(matrix, s).transpose(1, 2))

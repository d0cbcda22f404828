"""The C×C route: the Gram matrices themselves, one copy of each and no more.

Cells come as (cells, P, C) like on the other route and are read as F, (C, P). The student's
Gram matrix G costs half a product, being symmetric; the difference Δ = G − H costs one when the
maps are equally large, Δ = X + Xᵀ with X = ½(S + T)(S − T)ᵀ, so that near-equal maps lose no
digit; the gradient (E + Eᵀ) S with E = ∂loss/∂G costs the last.
"""

from __future__ import annotations

from typing import Optional

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


def _difference(s: Tensor, t: Tensor, factor: Optional[Tensor], budget: int) -> Tensor:
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
    return product.add_(product.transpose(1, 2).clone())


def _dot(x: Tensor, y: Tensor) -> Tensor:
    return torch.mul(x, y).sum(2, keepdim=True)


def _normalized(
    s: Tensor, t: Tensor, scale: float, need_grad: bool, budget: int
) -> CellLoss:
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
    b2 = torch.sub(gram, delta).square_().sum(2, keepdim=True)
    b2 = torch.where(theirs == 0, theirs, b2)
    balance = power_of_two((n / b2).sqrt())
    delta = torch.lerp(gram, delta, balance, out=delta)
    terms = row_terms(n, b2 * balance * balance, _dot(delta, gram), _dot(delta, delta))
    loss = terms.loss.sum(dtype=torch.float64) * scale
    if not need_grad:
        return CellLoss(loss, None)

    delta.addcmul_(gram, terms.along, value=-1).mul_(terms.weight * scale * unit)
    torch.add(delta, delta.transpose(1, 2), out=gram)
    gram.mul_(n != 0)
    del delta
    return CellLoss(loss, torch.bmm(gram, s))


def _paper(s: Tensor, t: Tensor, scale: float, need_grad: bool, budget: int) -> CellLoss:
    if s.shape[2] == t.shape[2]:
        delta = _difference(s, t, None, budget)
    else:
        delta = _symmetric_gram(s).sub_(_symmetric_gram(t))
    loss = torch.mul(delta, delta).sum(dtype=torch.float64) * scale
    grad = torch.bmm(delta.mul_(4 * scale), s) if need_grad else None
    return CellLoss(loss, grad)


def channel_route(
    s: Tensor, t: Tensor, normalize: bool, scale: float, need_grad: bool, budget: int
) -> CellLoss:
    """Evaluate cells by C×C matrices; O(C²·P) a cell.

    Args:
        s: student cells (cells, P, C).
        t: teacher cells (cells, P', C).
        normalize: the row-normalised form; else the paper's.
        scale: factor on the sum over cells.
        need_grad: also return the gradient, (cells, P, C).
        budget: numbers that a temporary slice of the maps may hold.
    """
    evaluate = _normalized if normalize else _paper
    s, t = s.transpose(1, 2), t.transpose(1, 2)
    loss, grad = evaluate(s, t, scale, need_grad, budget)
    return CellLoss(loss, None if grad is None else grad.transpose(1, 2))

"""The P×P route: both Gram matrices through products of their few pixels.

Row i of ``G = F Fᵀ`` is ``F f_i``, so that ‖g_i‖² = f_iᵀ (FᵀF) f_i: the C×C matrices are never
built. Cells come as (cells, P, C), S for the student and T for the teacher. For maps of equal
size everything is written in D = S − T, which near-equal maps know to full precision:
Δ_i = S s_i − T t_i = S e_i + D t_i, where e_i = s_i − t_i. Maps of unequal size have no such
difference; there the products are taken in float64, which is still far cheaper than C×C.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .rows import power_of_two, row_terms, row_terms_apart, scaled_difference, short_number


class CellLoss(NamedTuple):
    """The sum of the losses of some cells, and its gradient with respect to S."""

    loss: Tensor
    grad: Tensor | None


def _gram(a: Tensor, b: Tensor) -> Tensor:
    return torch.bmm(a, b.transpose(1, 2))


def _apply(k: Tensor, x: Tensor, base: Tensor | None = None) -> Tensor:
    """Return ``k @ x`` (+ ``base``) in the memory layout of ``x``."""
    if x.stride(2) == 1:
        return torch.bmm(k, x) if base is None else torch.baddbmm(base, k, x)
    k, x = k.transpose(1, 2), x.transpose(1, 2)
    if base is None:
        return torch.bmm(x, k).transpose(1, 2)
    return torch.baddbmm(base.transpose(1, 2), x, k).transpose(1, 2)


def _dot(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).sum(1, keepdim=True)


def _trace(k: Tensor) -> Tensor:
    return k.diagonal(dim1=1, dim2=2).sum(1).view(-1, 1, 1)


def _row_part(x: Tensor, weight: Tensor) -> Tensor:
    """Return the gradient that reaches a channel through its own row, ``x * weight``.

    It is orthogonal to the channel, as the length of a row does not count. With one pixel
    that leaves zero, which the weight of a weak channel would blow up from rounding errors.
    """
    return x.mul_(weight) if x.shape[1] > 1 else x.mul_(0)


def _normalized_equal(s: Tensor, t: Tensor, scale: float, need_grad: bool) -> CellLoss:
    k_ss, k_tt = _gram(s, s), _gram(t, t)
    size_s, size_t = _trace(k_ss), _trace(k_tt)
    to_student = short_number((size_s / size_t).sqrt())
    unit = 1 / power_of_two(size_s)
    d = scaled_difference(s, t, to_student)
    k_sd, k_dd = _gram(s, d) * unit, _gram(d, d) * unit
    k_ss *= unit
    k_tt *= unit * to_student * to_student

    ys = _apply(k_ss, s)
    n = _dot(ys, s)
    b2 = _dot(_apply(k_tt, t), t)
    balance = short_number((n / b2).sqrt())
    e = scaled_difference(s, t, balance)
    t = t * balance
    crossed = _apply(k_sd, t)
    vs = _apply(k_ss, e, crossed)
    dd = _dot(crossed.add_(vs), e) + _dot(_apply(k_dd, t), t)
    terms = row_terms(n, b2 * balance * balance, _dot(vs, s), dd)
    loss = terms.loss.sum(dtype=torch.float64) * scale
    if not need_grad:
        return CellLoss(loss, None)

    weight = terms.weight * scale
    grad = _row_part(vs.addcmul_(ys, terms.along, value=-1), weight)
    e.addcmul_(s, terms.along, value=-1)
    weighted = s * weight
    grad = _apply(_gram(weighted, t) * unit, d, grad)
    grad = _apply(_gram(weighted, e) * unit, s, grad)
    return CellLoss(loss, grad.mul_(n != 0))


def _normalized_apart(s: Tensor, t: Tensor, scale: float, need_grad: bool) -> CellLoss:
    k_st = _gram(s, t)
    ys, hs = _apply(_gram(s, s), s), _apply(k_st, t)
    n, b2 = _dot(ys, s), _dot(_apply(_gram(t, t), t), t)
    terms = row_terms_apart(n, b2, _dot(hs, s))
    loss = terms.loss.sum() * scale
    if not need_grad:
        return CellLoss(loss, None)

    weight = -terms.weight * scale
    grad = _row_part(hs.addcmul_(ys, terms.along), weight)
    weighted = s * weight
    grad = _apply(_gram(weighted, t), t, grad)
    grad = _apply(_gram(weighted, s * terms.along), s, grad)
    return CellLoss(loss, grad.mul_(n != 0))


def _paper_equal(s: Tensor, t: Tensor, scale: float, need_grad: bool) -> CellLoss:
    d = s - t
    k_ss, k_sd, k_dd = _gram(s, s), _gram(s, d), _gram(d, d)
    k_td = k_sd - k_dd
    k_tt = k_ss - k_sd - k_td.transpose(1, 2)
    squares = k_dd * (k_tt + k_ss) + 2 * k_sd.transpose(1, 2) * k_td
    loss = squares.sum(dtype=torch.float64).clamp_min(0) * scale
    if not need_grad:
        return CellLoss(loss, None)
    grad = _apply(k_ss * (4 * scale), d, _apply(k_sd * (4 * scale), t))
    return CellLoss(loss, grad)


def _paper_apart(s: Tensor, t: Tensor, scale: float, need_grad: bool) -> CellLoss:
    k_ss, k_tt, k_st = _gram(s, s), _gram(t, t), _gram(s, t)
    squares = [k.square().sum() for k in (k_ss, k_tt, k_st)]
    loss = (squares[0] + squares[1] - 2 * squares[2]).clamp_min(0) * scale
    if not need_grad:
        return CellLoss(loss, None)
    grad = _apply(k_ss * (4 * scale), s, _apply(k_st * (-4 * scale), t))
    return CellLoss(loss, grad)


def pixel_route(s: Tensor, t: Tensor, normalize: bool, scale: float, need_grad: bool) -> CellLoss:
    """Evaluate cells by P×P products; O(C·P²) a cell.

    Args:
        s: student cells (cells, P, C).
        t: teacher cells (cells, P', C).
        normalize: the row-normalised form; else the paper's.
        scale: factor on the sum over cells.
        need_grad: also return the gradient, (cells, P, C).
    """
    if s.shape[1] == t.shape[1]:
        return (_normalized_equal if normalize else _paper_equal)(s, t, scale, need_grad)
    apart = _normalized_apart if normalize else _paper_apart
    loss, grad = apart(s.double(), t.double(), scale, need_grad)
    return CellLoss(loss, None if grad is None else grad.to(s.dtype))

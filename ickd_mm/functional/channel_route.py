"""The C×C route: the Gram matrices themselves, one copy of each and no more.

Cells come as (cells, P, C) like on the other route and are read as F, (C, P). Both Gram matrices
G and H cost half a product, being symmetric, and are compared as on the plain route. Where they
are too near each other for that, and the maps are equally large, their difference is had from one
product, Δ = X + Xᵀ with X = ½(S + T)(S − T)ᵀ, so that near-equal maps lose no digit. The gradient
(E + Eᵀ) S with E = ∂loss/∂G costs the last.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .pixel_route import CellLoss
from .plain_route import normalized_rows
from .rows import (
    least_distance,
    power_of_two,
    row_terms,
    scaled_difference,
    short_number,
)

ROWS = 256
"""Rows of a large matrix that are worked on at once."""


def _strips(x: Tensor) -> list[slice]:
    return [slice(low, low + ROWS) for low in range(0, x.shape[1], ROWS)]


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
    parts = [(x[:, r] * y[:, r]).sum(2, keepdim=True) for r in _strips(x)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _square(x: Tensor, y: Tensor | None = None) -> Tensor:
    """Return the squared lengths of the rows of ``x``, or of ``x − y``."""
    norms = [
        torch.linalg.vector_norm(
            x[:, rows] if y is None else x[:, rows] - y[:, rows], dim=2, keepdim=True
        )
        for rows in _strips(x)
    ]
    return torch.cat(norms, dim=1).square_()


class Room(NamedTuple):
    """Where a block of cells is worked on: two C×C matrices, three slices of a map."""

    first: Tensor
    last: Tensor
    slices: list[Tensor]

    def cuts(self, f: Tensor) -> Iterator[tuple[Tensor, list[Tensor]]]:
        """Cut the pixels of (cells, C, P); every part comes with buffers of its size."""
        step = self.slices[0].shape[2]
        for part in f.split(step, dim=2):
            yield part, [x[:, :, : part.shape[2]] for x in self.slices]


def _room(s: Tensor, budget: int, out: Tensor | None) -> Room:
    """Find room inside ``out`` as far as it goes: the matrices at its ends, slices between."""
    cells, channels, pixels = s.shape
    square = channels * channels
    if out is not None and out.is_contiguous() and pixels >= 2 * channels:
        flat = out.view(cells, -1)
        first, middle, last = flat.split([square, channels * pixels - 2 * square, square], dim=1)
    else:
        first, last = (s.new_empty(cells, square) for _ in range(2))
        middle = first[:, :0]
    step = middle.shape[1] // (3 * channels)
    step = min(step, 512)
    if step < min(pixels, 256):
        step = min(pixels, max(128, channels // 8, budget // (cells * channels)))
        middle = s.new_empty(cells, 3 * channels * step)
    slices = middle[:, : 3 * channels * step].chunk(3, dim=1)
    first, last = (x.view(cells, channels, channels) for x in (first, last))
    if s.stride(1) == 1:
        like_map = [x.view(cells, step, channels).transpose(1, 2) for x in slices]
    else:
        like_map = [x.view(cells, channels, step) for x in slices]
    return Room(first, last, like_map)


def _symmetric_gram(f: Tensor, room: Room, out: Tensor) -> Tensor:
    """Write ``f @ fᵀ`` of (cells, C, P), computing little more than the lower triangle."""
    if f.shape[1] <= ROWS:
        beta = 0.0
        for part, _ in room.cuts(f):
            out.baddbmm_(part, part.transpose(1, 2), beta=beta)
            beta = 1.0
        return out
    for rows in _strips(f):
        strip = torch.bmm(f[:, rows], f[:, : rows.stop].transpose(1, 2))
        out[:, rows, : rows.stop] = strip
        out[:, : rows.start, rows] = strip[:, :, : rows.start].transpose(1, 2)
    return out


def _square_rows(f: Tensor, room: Room) -> Tensor:
    total = f.new_zeros(f.shape[0], f.shape[1], 1)
    for part, (free, *_) in room.cuts(f):
        total += torch.mul(part, part, out=free).sum(2, keepdim=True)
    return total


def _difference(s: Tensor, t: Tensor, factor: Tensor | None, room: Room) -> Tensor:
    """Return ``s sᵀ − t tᵀ`` with the rows of ``t`` multiplied by ``factor`` first."""
    out, beta = room.last, 0.0
    for (ours, (high, gap, mean)), (theirs, _) in zip(room.cuts(s), room.cuts(t)):
        if factor is None:
            torch.sub(ours, theirs, out=gap)
        else:
            scaled_difference(ours, theirs, factor, (high, gap))
        torch.sub(ours, gap, alpha=0.5, out=mean)
        out.baddbmm_(mean, gap.transpose(1, 2), beta=beta)
        beta = 1.0
    return _add_transpose(out)


class Comparison(NamedTuple):
    """Loss of some cells; the matrix that makes its gradient from S; rows of that to clear."""

    loss: Tensor
    matrix: Tensor | None
    dead: Tensor | None = None


def _normalized(
    s: Tensor, t: Tensor, scale: float, need_grad: bool, room: Room, quick: bool
) -> Comparison:
    gram = _symmetric_gram(s, room, room.first)
    if quick:
        found = _normalized_quickly(gram, t, scale, need_grad, room, least_distance(s, t))
        if found is not None:
            return found
        gram = _symmetric_gram(s, room, room.first)
    return _normalized_carefully(gram, s, t, scale, need_grad, room)


def _normalized_quickly(
    gram: Tensor, t: Tensor, scale: float, need_grad: bool, room: Room, short: float
) -> Comparison | None:
    """Compare the two matrices as they are, in strips that stay in the cache."""
    other = _symmetric_gram(t, room, room.last)
    parts = []
    for rows in _strips(gram):
        part = normalized_rows(gram[:, rows], other[:, rows], scale, need_grad, short)
        if part is None:
            return None
        parts.append(part)
    loss = torch.stack([part.loss for part in parts]).sum()
    matrix = _add_transpose(other) if need_grad else None
    return Comparison(loss, matrix, torch.cat([part.dead for part in parts], dim=1))


def _normalized_carefully(
    gram: Tensor, s: Tensor, t: Tensor, scale: float, need_grad: bool, room: Room
) -> Comparison:
    """Compare them by the difference of the maps, where these are equally large."""
    own = gram.diagonal(dim1=1, dim2=2).unsqueeze(2).clone()
    theirs = _square_rows(t, room)
    whole = short_number((own.sum(1, keepdim=True) / theirs.sum(1, keepdim=True)).sqrt())
    channel = power_of_two((own / theirs).sqrt() / whole)
    factor, column = whole * channel, 1 / channel.transpose(1, 2)
    if s.shape[2] == t.shape[2]:
        delta = _difference(s, t, factor, room)
    else:
        delta = _symmetric_gram(t, room, room.last).mul_(factor).mul_(factor.transpose(1, 2))
        torch.sub(gram, delta, out=delta)
    # Undo the teacher's channel factors where its channels stand for columns.
    torch.lerp(gram, delta, column, out=delta)
    n, b2 = _square(gram), torch.where(theirs == 0, theirs, _square(gram, delta))
    terms = row_terms(n, b2, _dot(delta, gram), _square(delta))
    loss = terms.loss.sum(dtype=torch.float64) * scale
    if not need_grad:
        return Comparison(loss, None)
    delta.addcmul_(gram, terms.along, value=-1).mul_(terms.weight * scale)
    return Comparison(loss, _add_transpose(delta), n == 0)


def _paper(
    s: Tensor, t: Tensor, scale: float, need_grad: bool, room: Room, quick: bool
) -> Comparison:
    """Return the same for the paper's form."""
    if s.shape[2] == t.shape[2]:
        delta = _difference(s, t, None, room)
    else:
        delta = _symmetric_gram(s, room, room.last).sub_(_symmetric_gram(t, room, room.first))
    loss = _square(delta).sum(dtype=torch.float64) * scale
    return Comparison(loss, delta.mul_(4 * scale) if need_grad else None)


def channel_route(
    s: Tensor,
    t: Tensor,
    normalize: bool,
    scale: float,
    need_grad: bool,
    budget: int,
    out: Tensor | None = None,
    quick: bool = False,
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
        quick: first compare two half products, which asks the device whether that was exact
            enough.
    """
    matrices = _normalized if normalize else _paper
    s, t = s.transpose(1, 2), t.transpose(1, 2)
    loss, matrix, dead = matrices(s, t, scale, need_grad, _room(s, budget, out), quick)
    if matrix is None:
        return CellLoss(loss, None)
    if out is None:
        if dead is not None:
            matrix.masked_fill_(dead, 0)
        return CellLoss(loss, torch.bmm(matrix, s).transpose(1, 2))
    # The matrix may end where ``out`` ends: rows written so far never reach its rows to come.
    for rows in _strips(matrix):
        strip = matrix[:, rows].clone()
        if dead is not None:
            strip.masked_fill_(dead[:, rows], 0)
        torch.bmm(strip, s, out=out[:, rows])
    return CellLoss(loss, None)

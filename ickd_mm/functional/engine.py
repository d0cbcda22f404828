"""From two maps to the loss and its gradient: choice of the route, work in blocks."""

from __future__ import annotations

from functools import lru_cache, reduce
from typing import NamedTuple

import torch
from torch import Tensor

from .cells import (
    Region,
    blocks,
    gather,
    gather_rows,
    paired_spans,
    scatter,
    scatter_rows,
    whole_cell,
)
from .channel_route import channel_route
from .pixel_route import pixel_route
from .plain_route import plain_route
from .precision import full_precision, work_dtype
from .rows import least_distance
from .tracing import is_compiling

BLOCK = {'cpu': 1 << 19, 'cuda': 1 << 24}
"""Numbers that one work buffer holds at most, unless a single cell needs more."""

FEW_CHANNELS, FEW_PIXELS = 16, 64
"""Cells up to this size work in float64: short rows are often parallel, and it costs little."""

PLAIN_CHANNELS, PLAIN_PIXELS = 256, 4
"""The plain route is open up to so many channels, beyond which products and memory count more
than passes, and from so many pixels on, below which its gradient may cancel to nothing."""


def route_costs(channels: int, student: int, teacher: int, normalize: bool) -> dict[str, float]:
    """Return the cost of one cell by each route, in multiply-adds of the P×P route.

    The numbers in it are measured: what a product costs in small matrices, and what the passes
    over the maps and over C×C matrices cost beside it.

    Args:
        channels: C.
        student: pixels of the student's cell.
        teacher: pixels of the teacher's.
        normalize: the row-normalised form; else the paper's.
    """
    square, pixels, equal = channels * channels, student + teacher, student == teacher
    if equal:
        by_pixel = (13 if normalize else 5) * student * student
        by_channel = 2.1 * student
    else:
        mixed = student * teacher
        by_pixel = (4 if normalize else 2) * student * student + teacher * teacher
        by_pixel += (teacher * teacher if normalize else 0) + (4 if normalize else 2) * mixed
        by_pixel *= 2  # float64
        by_channel = 0.6 * pixels + student
    per_pixel, per_entry, plain_entry = (120, 140, 50) if normalize else (20, 40, 40)
    costs = {
        'pixel': channels * (by_pixel + per_pixel * pixels),
        'channel': square * (by_channel + per_entry),
    }
    if channels <= PLAIN_CHANNELS and student >= PLAIN_PIXELS and (normalize or equal):
        by_plain = 1.2 * (student + pixels) if normalize else 1.3 * student
        costs['plain'] = square * (by_plain + plain_entry)
    return costs


@lru_cache
def choose_route(
    channels: int, student: int, teacher: int, normalize: bool, plain: bool = True
) -> str:
    """Name the cheapest route, ``'pixel'``, ``'channel'`` or ``'plain'``, for one size of cell.

    Args:
        channels: C.
        student: pixels of the student's cell.
        teacher: pixels of the teacher's.
        normalize: the row-normalised form; else the paper's.
        plain: whether the plain route, which may give up on near-equal maps, is open.
    """
    if student == 1:
        return 'pixel'
    costs = route_costs(channels, student, teacher, normalize)
    if 'plain' in costs:  # wherever it is open it beats the other C×C route
        del costs['channel' if plain else 'plain']
    return min(costs, key=lambda route: costs[route])


class _Work(NamedTuple):
    """What all blocks of one evaluation share."""

    student: Tensor
    teacher: Tensor
    grad: Tensor
    normalize: bool
    scale: float
    need_grad: bool
    budget: int
    quick: bool

    def plain(self, ours: Region, theirs: Region, double: bool = False) -> Tensor | None:
        """Write the gradient of a block by the plain route and return its loss.

        In float32 that may fail, which returns None; in float64 nothing is too close for it.
        """
        dtype = torch.float64 if double else self.grad.dtype
        s, t = gather_rows(self.student, ours, dtype), gather_rows(self.teacher, theirs, dtype)
        direct = self.need_grad and dtype == self.grad.dtype
        out = whole_cell(self.grad, ours) if direct else None
        settings = self.normalize, self.scale, self.need_grad
        short = 0.0 if double else least_distance(s, t)
        part = plain_route(s, t, *settings, short, out)
        if part is None:
            return None
        if part.grad is not None and out is None:
            scatter_rows(part.grad, self.grad, ours)
        return part.loss

    def careful(self, route: str, ours: Region, theirs: Region) -> Tensor:
        """Do the same by the P×P or the C×C route, which never fail."""
        s = gather(self.student, ours, self.grad.dtype)
        t = gather(self.teacher, theirs, self.grad.dtype)
        settings = self.normalize, self.scale, self.need_grad
        if route == 'pixel':
            part = pixel_route(s, t, *settings)
        else:
            out = whole_cell(self.grad, ours) if self.need_grad else None
            part = channel_route(s, t, *settings, self.budget // 8, out, self.quick)
        if part.grad is not None:
            scatter(part.grad, self.grad, ours)
        return part.loss


def evaluate(
    student: Tensor,
    teacher: Tensor,
    grid: tuple[int, int],
    normalize: bool,
    need_grad: bool,
    route: str | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the loss and its gradient, both in float32 (float64 for float64 maps).

    The gradient is worked out along with the loss, block by block, because every matrix that it
    needs is at hand there; nothing but the gradient itself is kept for the backward pass.

    Args:
        student: (N, C, H, W), checked.
        teacher: (N, C, H', W'), checked.
        grid: cells down and across.
        normalize: the row-normalised form; else the paper's.
        need_grad: without it the gradient is an empty tensor.
        route: ``'pixel'``, ``'channel'`` or ``'plain'`` instead of the cheapest one.
    """
    dtype = work_dtype(student, teacher)
    images, channels = student.shape[:2]
    scale = 1.0 / (images * channels * grid[0] * grid[1] * (1 if normalize else channels))
    budget = BLOCK.get(student.device.type, BLOCK['cuda'])
    grad = (
        torch.empty_like(student, dtype=dtype) if need_grad else student.new_empty(0, dtype=dtype)
    )
    # Whether a quick way was exact enough must be known on the host: a GPU would wait for it.
    quick = student.device.type == 'cpu' and not is_compiling()
    work = _Work(student, teacher, grad, normalize, scale, need_grad, budget, quick)
    losses = []
    spans = [
        (rows, cols)
        for rows in paired_spans(student.shape[2], teacher.shape[2], grid[0])
        for cols in paired_spans(student.shape[3], teacher.shape[3], grid[1])
    ]
    with torch.no_grad(), full_precision(student.device.type):
        for rows, cols in spans:
            own, other = (r.size * c.size for r, c in zip(rows, cols))
            sizes = channels, own, other, normalize
            name = route or choose_route(*sizes, quick)
            few = route is None and channels <= FEW_CHANNELS and max(own, other) <= FEW_PIXELS
            # The C×C routes make fewer steps, each on more numbers that should stay in the cache.
            numbers = max(own, other) if name == 'pixel' else 2 * max(own, other, channels)
            most = max(1, budget // (channels * numbers))
            for n, r, c in blocks(images, rows[0].cells, cols[0].cells, most):
                ours, theirs = (
                    Region(
                        n,
                        rows[side].part(r.start, r.stop - r.start),
                        cols[side].part(c.start, c.stop - c.start),
                    )
                    for side in (0, 1)
                )
                loss = work.plain(ours, theirs, few) if few or name == 'plain' else None
                if loss is None:
                    careful = choose_route(*sizes, False) if name == 'plain' else name
                    loss = work.careful(careful, ours, theirs)
                losses.append(loss)
        return reduce(torch.add, losses).to(dtype), grad

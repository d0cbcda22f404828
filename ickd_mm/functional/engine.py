"""From two maps to the loss and its gradient: choice of the route, work in blocks."""

from __future__ import annotations

import torch
from torch import Tensor

from .cells import Region, blocks, gather, paired_spans, scatter, whole_cell
from .channel_route import channel_route
from .pixel_route import pixel_route
from .precision import work_dtype

BLOCK = {'cpu': 1 << 19, 'cuda': 1 << 24}
"""Numbers that one work buffer holds at most, unless a single cell needs more."""

FEW_CHANNELS, FEW_PIXELS = 16, 64
"""Cells up to this size work in float64: short rows are often parallel, and it costs nothing."""


def route_costs(channels: int, student: int, teacher: int, normalize: bool) -> tuple[float, float]:
    """Return the cost of one cell by the P×P and by the C×C route, in multiply-adds.

    Args:
        channels: C.
        student: pixels of the student's cell.
        teacher: pixels of the teacher's.
        normalize: the row-normalised form; else the paper's.
    """
    square, pixels, equal = channels * channels, student + teacher, student == teacher
    if equal:
        by_pixel = (13 if normalize else 5) * student * student
        by_channel = (2.6 if normalize else 2) * student
    else:
        mixed = student * teacher
        by_pixel = (4 if normalize else 2) * student * student + teacher * teacher
        by_pixel += (teacher * teacher if normalize else 0) + (4 if normalize else 2) * mixed
        by_pixel *= 2  # float64
        by_channel = 0.6 * pixels + student
    per_pixel, per_entry = (60, 140) if normalize else (20, 40)
    return (
        channels * (by_pixel + per_pixel * pixels),
        square * (by_channel + per_entry),
    )


def choose_route(channels: int, student: int, teacher: int, normalize: bool) -> str:
    """Name the cheaper route, ``'pixel'`` or ``'channel'``, for one size of cell."""
    if student == 1:
        return 'pixel'
    by_pixel, by_channel = route_costs(channels, student, teacher, normalize)
    return 'pixel' if by_pixel <= by_channel else 'channel'


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
        route: ``'pixel'`` or ``'channel'`` instead of the cheaper one.
    """
    dtype = work_dtype(student, teacher)
    images, channels = student.shape[:2]
    scale = 1.0 / (images * channels * grid[0] * grid[1] * (1 if normalize else channels))
    budget = BLOCK.get(student.device.type, BLOCK['cuda'])
    grad = (
        torch.empty_like(student, dtype=dtype) if need_grad else student.new_empty(0, dtype=dtype)
    )
    total = student.new_zeros((), dtype=torch.float64)
    spans = [
        (rows, cols)
        for rows in paired_spans(student.shape[2], teacher.shape[2], grid[0])
        for cols in paired_spans(student.shape[3], teacher.shape[3], grid[1])
    ]
    with torch.no_grad(), torch.autocast(student.device.type, enabled=False):
        for rows, cols in spans:
            own, other = (r.size * c.size for r, c in zip(rows, cols))
            name = route or choose_route(channels, own, other, normalize)
            few = channels <= FEW_CHANNELS and max(own, other) <= FEW_PIXELS
            inner = torch.float64 if few else dtype
            # The C×C route makes fewer steps, each on more numbers that should stay in the cache.
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
                s, t = gather(student, ours, inner), gather(teacher, theirs, inner)
                if name == 'pixel':
                    part = pixel_route(s, t, normalize, scale, need_grad)
                else:
                    out = whole_cell(grad, ours) if need_grad and inner == dtype else None
                    part = channel_route(s, t, normalize, scale, need_grad, budget // 8, out)
                total += part.loss
                if part.grad is not None:
                    scatter(part.grad, grad, ours)
    return total.to(dtype), grad

"""From two maps to the loss and its gradient: route, blocks, autograd, ``torch.compile``."""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .cells import Region, blocks, gather, paired_spans, scatter
from .channel_route import channel_route
from .pixel_route import pixel_route

BLOCK = {'cpu': 1 << 18, 'cuda': 1 << 24}
"""Numbers that one work buffer holds at most, unless a single cell needs more."""


def route_costs(
    channels: int, student: int, teacher: int, normalize: bool
) -> tuple[float, float]:
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
        by_channel = 0.6 * pixels + student
    per_pixel, per_entry = (60, 80) if normalize else (20, 30)
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
    route: Optional[str] = None,
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
    double = torch.float64 in (student.dtype, teacher.dtype)
    dtype = torch.float64 if double else torch.float32
    images, channels = student.shape[:2]
    scale = 1.0 / (images * channels * grid[0] * grid[1] * (1 if normalize else channels))
    budget = BLOCK.get(student.device.type, BLOCK['cuda'])
    grad = torch.empty_like(student, dtype=dtype) if need_grad else student.new_empty(0, dtype=dtype)
    total = student.new_zeros((), dtype=torch.float64)
    spans = [
        (rows, cols)
        for rows in paired_spans(student.shape[2], teacher.shape[2], grid[0])
        for cols in paired_spans(student.shape[3], teacher.shape[3], grid[1])
    ]
    with torch.no_grad(), torch.autocast(student.device.type, enabled=False):
        for rows, cols in spans:
            pixels = [r.size * c.size for r, c in zip(rows, cols)]
            name = route or choose_route(channels, *pixels, normalize)
            matrix = max(pixels) if name == 'pixel' else max(*pixels, channels)
            most = max(1, budget // (channels * matrix))
            for n, r, c in blocks(images, rows[0].count, cols[0].count, most):
                ours, theirs = (
                    Region(
                        n,
                        rows[side].part(r.start, r.stop - r.start),
                        cols[side].part(c.start, c.stop - c.start),
                    )
                    for side in (0, 1)
                )
                s, t = gather(student, ours, dtype), gather(teacher, theirs, dtype)
                if name == 'pixel':
                    part = pixel_route(s, t, normalize, scale, need_grad)
                else:
                    part = channel_route(s, t, normalize, scale, need_grad, budget)
                total += part.loss
                if need_grad:
                    scatter(part.grad, grad, ours)
    return total.to(dtype), grad


class ICC(torch.autograd.Function):
    """The loss for eager mode; scales the gradient that :func:`evaluate` left, in place."""

    @staticmethod
    def forward(
        ctx: Any,
        student: Tensor,
        teacher: Tensor,
        grid: tuple[int, int],
        normalize: bool,
        need_grad: bool,
        route: Optional[str] = None,
    ) -> Tensor:
        """Evaluate, and keep the gradient where the backward pass finds it."""
        loss, grad = evaluate(student, teacher, grid, normalize, need_grad, route)
        ctx.save_for_backward(student, teacher)
        ctx.settings = (grid, normalize, True, route)
        ctx.grad = grad
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Optional[Tensor], ...]:
        """Return ``upstream`` × gradient; a second pass over a kept graph works it out anew."""
        student, teacher = ctx.saved_tensors
        grad, ctx.grad = ctx.grad, None
        if grad is None:
            grad = evaluate(student, teacher, *ctx.settings)[1]
        return grad.mul_(upstream).to(student.dtype), None, None, None, None, None

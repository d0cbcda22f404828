"""The loss as an autograd function, for eager mode."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .engine import evaluate

FIRST_ORDER = (
    'the ICC loss has first derivatives only; its gradient cannot be differentiated again '
    '(drop create_graph=True for this loss)'
)


class _FirstOrder(torch.autograd.Function):
    """Pass a gradient on, and object when something differentiates it."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, *depends_on: Tensor) -> Tensor:
        return grad.view_as(grad)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        raise RuntimeError(FIRST_ORDER)


class ICC(torch.autograd.Function):
    """The ICC loss with a backward pass that only scales.

    The gradient is ready after the forward pass and kept in the student's shape, nothing else.
    The first backward pass multiplies it in place, so that no second map is allocated; a
    further pass over a kept graph evaluates it anew.
    """

    @staticmethod
    def forward(
        ctx: Any,
        student: Tensor,
        teacher: Tensor,
        grid: tuple[int, int],
        normalize: bool,
        need_grad: bool,
        route: str | None = None,
    ) -> Tensor:
        """Return the loss; for the arguments see :func:`ickd_mm.functional.engine.evaluate`."""
        loss, ctx.grad = evaluate(student, teacher, grid, normalize, need_grad, route)
        ctx.save_for_backward(student, teacher)
        ctx.settings = (grid, normalize, True, route)
        return loss

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Return ``upstream`` times the gradient, in the student's dtype."""
        student, teacher = ctx.saved_tensors
        with torch.no_grad():
            grad, ctx.grad = ctx.grad, None
            if grad is None:
                grad = evaluate(student, teacher, *ctx.settings)[1]
            grad = grad.mul_(upstream).to(student.dtype)
        if torch.is_grad_enabled():
            grad = _FirstOrder.apply(grad, upstream, student)
        return grad, None, None, None, None, None

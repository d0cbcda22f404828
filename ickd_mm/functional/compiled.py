"""The loss as one operator, which ``torch.compile`` keeps whole instead of unrolling blocks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .eager import FIRST_ORDER
from .engine import evaluate
from .precision import work_dtype


@torch.library.custom_op('ickd_mm::icc_loss', mutates_args=())
def icc_operator(
    student: Tensor, teacher: Tensor, rows: int, cols: int, normalize: bool, need_grad: bool
) -> tuple[Tensor, Tensor]:
    """Return loss and gradient; see :func:`ickd_mm.functional.engine.evaluate`."""
    return evaluate(student, teacher, (rows, cols), normalize, need_grad)


@icc_operator.register_fake
def _shapes(
    student: Tensor, teacher: Tensor, rows: int, cols: int, normalize: bool, need_grad: bool
) -> tuple[Tensor, Tensor]:
    dtype = work_dtype(student, teacher)
    loss = student.new_empty((), dtype=dtype)
    if need_grad:
        return loss, torch.empty_like(student, dtype=dtype)
    return loss, student.new_empty(0, dtype=dtype)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(output[1])
    ctx.dtype = inputs[0].dtype


def _backward(
    ctx: Any, upstream: Tensor | None, second: Tensor | None
) -> tuple[Tensor | None, ...]:
    if second is not None:
        raise RuntimeError(FIRST_ORDER)
    (grad,) = ctx.saved_tensors
    ours = None if upstream is None else (grad * upstream).to(ctx.dtype)
    return ours, None, None, None, None, None


icc_operator.register_autograd(_backward, setup_context=_setup_context)

"""In which precision the losses compute."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def work_dtype(student: Tensor, teacher: Tensor) -> torch.dtype:
    """Return the dtype to compute in: float64 if a map has it, else float32."""
    double = torch.float64 in (student.dtype, teacher.dtype)
    return torch.float64 if double else torch.float32


def full_precision(device: str) -> AbstractContextManager:
    """Switch autocast off where it is on; entering it for nothing would cost small maps much."""
    on = torch.is_autocast_enabled(device)
    return torch.autocast(device, enabled=False) if on else nullcontext()

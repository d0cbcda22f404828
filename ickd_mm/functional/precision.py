"""In which precision the losses compute."""

from __future__ import annotations

import torch
from torch import Tensor


def work_dtype(student: Tensor, teacher: Tensor) -> torch.dtype:
    """Return the dtype to compute in: float64 if a map has it, else float32."""
    double = torch.float64 in (student.dtype, teacher.dtype)
    return torch.float64 if double else torch.float32

"""In which precision the losses compute."""

from __future__ import annotations

import torch
from torch import Tensor


def work_dtype(student: Tensor, teacher: Tensor) -> torch.dtype:
    """Return the dtype to compute in: float64 if a map has it, else float32."""
    double = torch.float64 in (student.dtype, teacher.dtype)
    return torch.float64 if double else torch.float32


def autocast_on(device: str) -> bool:
    """Tell whether autocast is on for a device type; torch < 2.4 asks in other words."""
    try:
        return torch.is_autocast_enabled(device)
    except TypeError:
        return torch.is_autocast_cpu_enabled() if device == 'cpu' else torch.is_autocast_enabled()


def autocast_dtype(device: str) -> torch.dtype:
    """Return what autocast computes in on a device type."""
    if hasattr(torch, 'get_autocast_dtype'):
        return torch.get_autocast_dtype(device)
    cpu = device == 'cpu'
    return torch.get_autocast_cpu_dtype() if cpu else torch.get_autocast_gpu_dtype()

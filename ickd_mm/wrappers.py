"""The model inside what trains it on several GPUs."""

from __future__ import annotations

from typing import Any

from mmengine.model import is_model_wrapper
from torch import nn


def unwrapped(model: nn.Module) -> Any:
    """Return the model itself: what DDP or another of mmengine's model wrappers holds."""
    return model.module if is_model_wrapper(model) else model

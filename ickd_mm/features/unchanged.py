"""Run a model for a look at it, and leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Put back every module's mode and every buffer at the end, as batch norms' statistics."""
    modes = {module: module.training for module in model.modules()}
    held = {module: dict(module._buffers) for module in modes}
    values = {buffer: buffer.clone() for buffer in model.buffers()}
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
            module._buffers.clear()
            module._buffers.update(held[module])
        for buffer, value in values.items():
            if not torch.equal(buffer, value):
                buffer.data.copy_(value)

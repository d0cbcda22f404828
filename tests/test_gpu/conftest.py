"""Checks of one CUDA GPU."""

import pytest
import torch


@pytest.fixture(autouse=True)
def no_tf32(monkeypatch):
    """Convolutions in float32 alone, so that they can be compared; cuDNN rounds to TF32 else."""
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)

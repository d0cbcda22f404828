"""Look at a model without disturbing the random numbers of the run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def preserved_randomness() -> Iterator[None]:
    """Restore the generators of Python, NumPy and torch to what they were before."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        used = torch.cuda.is_available() and torch.cuda.is_initialized()
        with torch.random.fork_rng([torch.cuda.current_device()] if used else []):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)

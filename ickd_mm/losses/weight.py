"""The factor that every loss here carries."""

from __future__ import annotations

import math


def checked_weight(loss_weight: float) -> float:
    """Return ``loss_weight`` if it is a finite number of at least 0.

    Raises:
        ValueError: otherwise.
    """
    if not isinstance(loss_weight, (int, float)) or not 0 <= loss_weight < math.inf:
        raise ValueError(f'loss_weight must be finite and at least 0, got {loss_weight!r}')
    return loss_weight

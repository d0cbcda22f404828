"""A pair's weight over the training: distil early, late, or increasingly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..registry import HOOKS
from ..wrappers import unwrapped


@HOOKS.register_module()
class PairWeightHook(Hook):
    r"""Multiply a pair's loss by a factor that changes with the training's progress.

    The factor is linear between the given points, and constant before the first and after the
    last. While it is 0 the pair's loss is not computed; while every pair's is 0 the teacher does
    not run. The optimizer keeps updating the connector meanwhile: weight decay acts on it.

    ``dict(type='ickd_mm.PairWeightHook', pair='loss_icc', points=[(0, 1), (0.5, 0)])`` among a
    config's ``custom_hooks`` lets ``loss_icc`` fade out over the first half.

    Args:
        pair: name of the pair.
        points: (share of the iterations done, factor): shares from 0 to 1, rising; factors
            finite and at least 0, on top of the loss's own ``loss_weight``.

    Raises:
        TypeError: if ``points`` is not a list of pairs of numbers.
        ValueError: if ``points`` is empty, shares do not rise within 0 to 1, or a factor is
            negative or infinite.
    """

    def __init__(self, pair: str, points: Sequence[tuple[float, float]]) -> None:
        try:
            shares, factors = [float(share) for share, _ in points], [float(f) for _, f in points]
        except (TypeError, ValueError) as error:
            raise TypeError(f'points must be a list of (share, factor), got {points!r}') from error
        rising = all(a < b for a, b in zip(shares, shares[1:]))
        if not shares or not rising or not all(0 <= share <= 1 for share in shares):
            raise ValueError(f'the shares of points must rise from 0 to 1, got {points!r}')
        if not all(0 <= factor < math.inf for factor in factors):
            raise ValueError(f'the factors of points must be finite and at least 0, got {points!r}')
        self.pair, self.shares, self.factors = pair, shares, factors
        self._factor_of: dict[str, float] = {}

    def before_train(self, runner: Runner) -> None:
        """Find the pair.

        Raises:
            KeyError: if the model is not a distiller, or has no pair of that name.
            ValueError: if another such hook changes the same pair.
        """
        others = [h for h in runner.hooks if isinstance(h, PairWeightHook) and h is not self]
        if any(other.pair == self.pair for other in others):
            raise ValueError(f'two PairWeightHooks change {self.pair!r}: put all points into one')
        factors = getattr(unwrapped(runner.model), 'pair_factors', None)
        if factors is None or self.pair not in factors:
            known = ', '.join(factors) if factors else 'none: it is not a distiller'
            raise KeyError(f'PairWeightHook: no pair {self.pair!r}; the model has {known}')
        self._factor_of = factors

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Set the factor of this iteration."""
        progress = runner.iter / runner.max_iters
        self._factor_of[self.pair] = float(np.interp(progress, self.shares, self.factors))

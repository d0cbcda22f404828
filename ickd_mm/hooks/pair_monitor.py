"""Log how strong each pair is, and how far the student has come."""

from __future__ import annotations

import copy
import logging
import math
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner

from ..features.gradients import tap_gradients
from ..losses import ICKDLoss
from ..randomness import preserved_randomness
from ..registry import HOOKS
from ..wrappers import unwrapped


@HOOKS.register_module()
class PairMonitorHook(Hook):
    r"""Log two numbers for each pair, beside its loss; for ``loss_icc`` these are

    ``icc/gradient_share``
        every ``interval`` iterations, the pair's share of the gradients at its tap F,

        .. math:: \frac{\lVert \partial L_{pair} / \partial F \rVert}
            {\sum_L \lVert \partial L / \partial F \rVert}

        over the student's own loss and every pair whose gradient reaches F: 0 is a pair that
        changes nothing, 0.5 one that pulls as hard as all others.
    ``icc/agreement``
        every iteration, :math:`1 - \ell / 2` for a row-normalised :class:`ickd_mm.ICKDLoss`, whose
        loss without weights is :math:`\ell`: the mean cosine between the rows of the student's
        correlation matrices and the teacher's, from -1 to 1. Rows that are zero aside.

    ``dict(type='ickd_mm.PairMonitorHook')`` among a config's ``custom_hooks`` adds it. The share
    costs one more forward pass each time, and a backward pass down to the first tap. The step
    itself, weights, statistics and random numbers are as without the hook. The teacher's score
    is :class:`TeacherValHook`'s.

    Args:
        interval: iterations from one share to the next; 0 leaves shares out.

    Raises:
        ValueError: if ``interval`` is not an integer of at least 0.
    """

    priority = 55  # behind PairWeightHook, which sets this iteration's weights; before the logger

    def __init__(self, interval: int = 100) -> None:
        if type(interval) is not int or interval < 0:
            raise ValueError(f'interval must be an integer of at least 0, got {interval!r}')
        self.interval = interval
        self._unseen: set[str] = set()

    def before_train(self, runner: Runner) -> None:
        """Make sure that there are pairs.

        Raises:
            TypeError: if the model is not a distiller.
        """
        if not hasattr(unwrapped(runner.model), 'pair_factors'):
            kind = type(unwrapped(runner.model)).__name__
            raise TypeError(f'PairMonitorHook needs a FeatureDistiller, the model is a {kind}')

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Measure the shares on the batch that is trained on next."""
        if not self.interval or runner.iter % self.interval:
            return
        model, wrapper = unwrapped(runner.model), runner.optim_wrapper
        part: Any = wrapper
        part = next(iter(part.values())) if isinstance(part, OptimWrapperDict) else part
        scaler = getattr(part, 'loss_scaler', None)  # small gradients vanish in fp16
        arguments = {} if scaler is None else dict(scale=scaler.scale)
        with preserved_randomness(), part.optim_context(runner.model):
            data = model.data_preprocessor(copy.deepcopy(data_batch), True)
            found = tap_gradients(model, data['inputs'], data.get('data_samples'), **arguments)
        for name in model.pair_factors.keys() - found.keys():
            if name not in self._unseen:
                self._unseen.add(name)
                text = f'{name} has no gradient_share: the student changes its feature in place'
                print_log(f'{text}; tap the module that changes it', 'current', logging.WARNING)
        for name, norms in found.items():
            total = sum(norms.values())
            if total and math.isfinite(total):
                share = norms.get(name, 0.0) / total
                runner.message_hub.update_scalar(f'train/{_short(name)}/gradient_share', share)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Turn each pair's loss of this iteration into the agreement."""
        model, hub = unwrapped(runner.model), runner.message_hub
        for pair in model.pairs:
            if not isinstance(pair.loss, ICKDLoss) or not pair.loss.normalize:
                continue
            weight = pair.loss.loss_weight * model.pair_factors[pair.name]
            if weight:  # RuntimeInfoHook has fetched the loss already
                loss = hub.get_scalar(f'train/{pair.name}').current() / weight
                hub.update_scalar(f'train/{_short(pair.name)}/agreement', 1 - loss / 2)


def _short(name: str) -> str:
    """Leave 'loss' out of a pair's name: mmengine averages what has it over the last iterations."""
    return name.removeprefix('loss').strip('_') or 'pair'

"""Report numbers that turned NaN or infinite, with the names of what went wrong."""

from __future__ import annotations

import logging
import math
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner
from torch import Tensor

from ..checkpoint.packing import OWN_PARTS
from ..randomness import preserved_randomness
from ..registry import HOOKS
from ..spelling import some
from ..wrappers import unwrapped


@HOOKS.register_module()
class FiniteCheckHook(Hook):
    """Watch the losses and gradients of every step.

    Every distilled run has it; ``finite_check = dict(stop=True)`` at the top of a config sets its
    arguments, ``finite_check = False`` leaves it out. It delays no step: losses are the values that
    mmengine logs, gradient norms are computed during the step and read after it.

    Where a loss is not finite, the teacher runs once more on the same batch, in the same
    precision, to tell whether one of its features is wrong (the preprocessor draws its random
    numbers, for mixup say, again). Gradients of an optimizer that does not step are not reported:
    fp16 AMP skips a step whose gradients overflow and lowers its scale, which is not an error.

    Args:
        stop: raise ``FloatingPointError`` instead of logging an error; the checkpoint of that
            iteration is not written.
        gradients: whether to watch gradients.
    """

    priority = 'ABOVE_NORMAL'

    def __init__(self, stop: bool = False, gradients: bool = True) -> None:
        for key, value in (('stop', stop), ('gradients', gradients)):
            if not isinstance(value, bool):
                raise TypeError(f'FiniteCheckHook: {key} must be True or False, got {value!r}')
        self.stop, self.gradients = stop, gradients
        self._names: dict[Tensor, str] = {}
        self._norms: list[Tensor] = []
        self._stepped: list[str] = []
        self._reported: set[str] = set()

    def before_train(self, runner: Runner) -> None:
        """Learn the names of the parameters and listen to the optimizer's steps."""
        if not self.gradients:
            return
        self._names = {p: name for name, p in unwrapped(runner.model).named_parameters()}
        wrapper: Any = runner.optim_wrapper
        for part in wrapper.values() if hasattr(wrapper, 'values') else (wrapper,):
            part.optimizer.register_step_pre_hook(self._before_step)

    def _before_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        groups = (p for group in optimizer.param_groups for p in group['params'])
        stepped = [p for p in groups if p.grad is not None and not p.grad.is_sparse]
        if stepped:
            norms = torch._foreach_norm([p.grad for p in stepped], float('inf'))
            self._norms.append(torch.stack([norm.float() for norm in norms]))
            self._stepped += [self._names.get(p, '?') for p in stepped]

    def _wrong_gradients(self) -> list[str]:
        if not self._norms:
            return []
        finite = torch.cat(self._norms).isfinite().tolist()
        names = [name for name, good in zip(self._stepped, finite) if not good]
        self._norms, self._stepped = [], []
        return names

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Check this iteration's losses and gradients.

        Raises:
            FloatingPointError: if something is not finite and the hook was told to stop.
        """
        gradients = self._wrong_gradients()
        hub = runner.message_hub.log_scalars  # RuntimeInfoHook has fetched the losses already
        losses = [key for key in outputs or {} if 'loss' in key and f'train/{key}' in hub]
        values = {key: hub[f'train/{key}'].current() for key in losses}
        wrong = [key for key, value in values.items() if not math.isfinite(value)]
        if not gradients and not wrong:
            return
        found = [f'{key} is {values[key]}' for key in wrong]
        if wrong:
            found += self._wrong_features(runner, data_batch)
        if gradients:
            found.append(self._describe(gradients, values))
        kinds = {*wrong, *(['gradients'] if gradients else [])}
        message = f'Iteration {runner.iter + 1}: {"; ".join(found)}'
        if self.stop:
            raise FloatingPointError(message)
        if not kinds <= self._reported:
            message += '. This is reported once; finite_check.stop=True ends the run here'
            print_log(message, 'current', logging.ERROR)
        self._reported |= kinds

    def _wrong_features(self, runner: Runner, data_batch: Any) -> list[str]:
        """Name the pairs whose teacher feature is not finite for this batch."""
        model, wrapper = unwrapped(runner.model), runner.optim_wrapper
        teacher = getattr(model, 'teacher', None)
        if teacher is None or data_batch is None:
            return []
        part = next(iter(wrapper.values())) if isinstance(wrapper, OptimWrapperDict) else wrapper
        with preserved_randomness(), part.optim_context(runner.model):
            features = teacher(model.data_preprocessor(data_batch, True)['inputs'])
        wrong = [p for p in model.pairs if not features[p.teacher].isfinite().all()]
        if not wrong:
            return ["the teacher's features, computed again, are finite"]
        return [f'{p.name}: the teacher feature {p.teacher.path!r} is not finite' for p in wrong]

    def _describe(self, names: list[str], values: dict[str, float]) -> str:
        pairs = {name.split('.')[1] for name in names if name.startswith(OWN_PARTS)}
        text = f'the gradients of {len(names)} parameters are not finite ({some(names)})'
        if pairs:
            text += f', some of them in the connector or loss of pair {", ".join(sorted(pairs))}'
        losses = (f'{key} {value:g}' for key, value in values.items())
        return f'{text}; losses: {", ".join(losses)}'

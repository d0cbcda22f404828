"""Make every checkpoint of a run a student checkpoint.

Two hooks, because packing must come after every other hook has had its say on what is saved
(EMA swaps weights there), and unpacking before any of them reads what was loaded.
"""

from __future__ import annotations

import functools
import logging
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from ..checkpoint import pack, unpack
from ..registry import HOOKS


def _trains_distiller(runner: Runner) -> bool:
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return type(model).__name__ == 'FeatureDistiller'


@HOOKS.register_module()
class PackCheckpointHook(Hook):
    """Pack each checkpoint last before it is saved (see :func:`ickd_mm.checkpoint.pack`)."""

    priority = 'LOWEST'

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Pack ``checkpoint`` in place and say what could not be kept."""
        dropped = pack(checkpoint, distiller=_trains_distiller(runner))
        if dropped:
            print_log(f'Left out of the checkpoint: {dropped}', 'current', logging.WARNING)


@HOOKS.register_module()
class UnpackCheckpointHook(Hook):
    """Unpack each checkpoint first after it is loaded (:func:`ickd_mm.checkpoint.unpack`)."""

    priority = 'HIGHEST'

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Unpack ``checkpoint`` in place."""
        unpack(checkpoint, distiller=_trains_distiller(runner))


@functools.cache
def attach_to_runners() -> None:
    """Give every runner of this process the two hooks.

    A model has no way to ask mmengine (0.10.7, onedl 0.10.12) for a hook, and a config that
    forgets one would silently write checkpoints that plain mmseg cannot read.
    """
    register = Runner.register_hooks

    @functools.wraps(register)
    def register_hooks(self: Runner, *args: Any, **kwargs: Any) -> None:
        register(self, *args, **kwargs)
        for hook in (PackCheckpointHook, UnpackCheckpointHook):
            if not any(isinstance(other, hook) for other in self.hooks):
                self.register_hook(hook())

    Runner.register_hooks = register_hooks

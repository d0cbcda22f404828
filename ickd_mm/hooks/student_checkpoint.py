"""Make every checkpoint of a run a student checkpoint.

Two hooks, because packing must come after every other hook has had its say on what is saved
(EMA swaps weights there), and unpacking before any of them reads what was loaded.
"""

from __future__ import annotations

import logging
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from ..checkpoint import pack, unpack
from ..checkpoint.packing import OWN_PARTS
from ..preflight.plain_config import plain_config
from ..registry import HOOKS, is_distiller
from ..wrappers import unwrapped


def trains_distiller(runner: Runner) -> bool:
    """Tell whether a runner's model is a distiller, wrapped or not."""
    return type(unwrapped(runner.model)).__name__.endswith('FeatureDistiller')


@HOOKS.register_module()
class PackCheckpointHook(Hook):
    """Pack each checkpoint last before it is saved (see :func:`ickd_mm.checkpoint.pack`).

    Where mmengine writes the run's config, for tools that are given weights alone, a distilled
    run's checkpoints have the student's own.
    """

    priority = 'LOWEST'

    def __init__(self) -> None:
        self._config: str | None = None

    def before_train(self, runner: Runner) -> None:
        """Write the student's config down."""
        model = runner.cfg.get('model')
        if isinstance(model, dict) and is_distiller(model):
            self._config = plain_config(runner.cfg).pretty_text

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Pack ``checkpoint`` in place and say what could not be kept."""
        if self._config is not None:
            for place in (checkpoint['meta'], checkpoint['message_hub']['runtime_info']):
                place['cfg'] = self._config
        dropped = pack(checkpoint, distiller=trains_distiller(runner))
        if dropped:
            print_log(f'Left out of the checkpoint: {dropped}', 'current', logging.WARNING)


@HOOKS.register_module()
class UnpackCheckpointHook(Hook):
    """Unpack each checkpoint first after it is loaded (:func:`ickd_mm.checkpoint.unpack`)."""

    priority = 'HIGHEST'

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Unpack ``checkpoint`` in place.

        A plain student's has no connectors: it gets the run's own, so that hooks which load it
        strictly (EMA's ``strict_load``) find every key.
        """
        distils = trains_distiller(runner)
        unpack(checkpoint, distiller=distils)
        if distils and 'state_dict' in checkpoint:
            for key, value in unwrapped(runner.model).state_dict().items():
                if key.startswith(OWN_PARTS):
                    checkpoint['state_dict'].setdefault(key, value)

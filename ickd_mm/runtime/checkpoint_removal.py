"""Keep old checkpoints until the new one is whole."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS as MMENGINE_HOOKS


class _LaterRemovals:
    """A file backend that notes removals for later and does everything else at once."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.wanted: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        self.wanted[path] = 'remove'

    def rmtree(self, path: str) -> None:
        self.wanted[path] = 'rmtree'


class KeepingCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook``, except that it saves first and removes afterwards.

    mmengine (0.10.7, onedl 0.10.12) removes what ``max_keep_ckpts`` and ``save_best`` no longer
    want before it saves: with ``max_keep_ckpts=1``, a run that is killed while saving, or finds
    the disk full, leaves no checkpoint at all. Here there is one more on the disk for a moment.
    Only files in its own folder are removed: the names come from the checkpoint that was resumed,
    which may be a copy of another run's.
    """

    file_backend: Any

    @contextmanager
    def _removing_later(self) -> Iterator[None]:
        backend: Any = getattr(self, 'file_backend', None)
        if backend is None:  # nothing is trained: Runner.val() alone
            yield
            return
        self.file_backend = later = _LaterRemovals(backend)
        try:
            yield
        finally:
            self.file_backend = backend
        best = [getattr(self, 'best_ckpt_path', None)]
        best += getattr(self, 'best_ckpt_path_dict', {}).values()
        for path, how in later.wanted.items():
            own = os.path.realpath(os.path.dirname(path)) == os.path.realpath(self.out_dir)
            if own and path != self.last_ckpt and path not in best:  # just written again
                getattr(backend, how)(path)

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: dict) -> None:
        with self._removing_later():
            super()._save_checkpoint_with_step(runner, step, meta)

    def _save_best_checkpoint(self, runner: Any, metrics: dict) -> None:
        with self._removing_later():
            super()._save_best_checkpoint(runner, metrics)


@functools.cache
def install_removal() -> None:
    """Build ``dict(type='CheckpointHook')`` as :class:`KeepingCheckpointHook` everywhere."""
    MMENGINE_HOOKS.register_module(name='CheckpointHook', module=KeepingCheckpointHook, force=True)

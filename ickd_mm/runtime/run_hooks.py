"""Give the runners of this process the hooks that every run needs."""

from __future__ import annotations

import functools
from typing import Any

from mmengine.runner import Runner

from ..hooks.finite import FiniteCheckHook
from ..hooks.student_checkpoint import PackCheckpointHook, UnpackCheckpointHook, trains_distiller
from ..hooks.teacher_val import TeacherValHook
from ..registry import HOOKS


def wanted_hooks(runner: Runner) -> list[dict[str, Any]]:
    """Configs of the hooks that a runner gets, beside those of its own config.

    Two keys at the top of a config decide: ``finite_check``, arguments of
    :class:`FiniteCheckHook` or False, and ``teacher_val``, True for :class:`TeacherValHook`.

    Raises:
        TypeError: if one of the two holds something else.
    """
    hooks: list[dict[str, Any]] = [dict(type=PackCheckpointHook), dict(type=UnpackCheckpointHook)]
    finite, teacher_val = (runner.cfg.get(key) for key in ('finite_check', 'teacher_val'))
    if not (finite is None or finite is False or isinstance(finite, dict)):
        raise TypeError(
            f'finite_check must be a dict, as dict(stop=True), or False, got {finite!r}'
        )
    if not (teacher_val is None or isinstance(teacher_val, bool)):
        raise TypeError(f'teacher_val must be True or False, got {teacher_val!r}')
    if trains_distiller(runner):
        if finite is not False:
            hooks.append(dict(type=FiniteCheckHook, **(finite or {})))
        if teacher_val:
            hooks.append(dict(type=TeacherValHook))
    return hooks


@functools.cache
def attach_to_runners() -> None:
    """Give every runner of this process the hooks of :func:`wanted_hooks`.

    A model has no way to ask mmengine (0.10.7, onedl 0.10.12) for a hook, and a config that
    forgets one would silently write checkpoints that plain mmseg cannot read.
    """
    register = Runner.register_hooks

    @functools.wraps(register)
    def register_hooks(self: Runner, *args: Any, **kwargs: Any) -> None:
        register(self, *args, **kwargs)
        for hook in wanted_hooks(self):
            if not any(isinstance(other, hook['type']) for other in self.hooks):
                self.register_hook(HOOKS.build(hook))

    Runner.register_hooks = register_hooks

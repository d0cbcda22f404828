"""A tool that wants the student's keys in a distiller's config is told which config to take.

mmseg's ``get_flops.py``, for one, reads ``cfg.model.decode_head``. It would count the connectors
too, so it is not given the student's.
"""

from __future__ import annotations

import functools
from typing import Any

from mmengine.config import ConfigDict


@functools.cache
def name_students_keys() -> None:
    """Let the error for a missing attribute of a distiller's config name the student's config."""
    look_up = ConfigDict.__getattr__

    @functools.wraps(look_up)
    def __getattr__(self: ConfigDict, name: str) -> Any:
        try:
            return look_up(self, name)
        except AttributeError as error:
            student = self.get('student') if 'pairs' in self else None
            if not isinstance(student, dict) or name not in student:
                raise
            raise AttributeError(
                f'model.{name}: the model is a distiller, and only its student has {name!r}. Give '
                "the student's own config: the one that this config inherits, or the one that "
                'tools/export_student.py CHECKPOINT student.pth --config writes. For parameters '
                'and FLOPs of a distilled config, run tools/inspect_model.py'
            ) from error

    ConfigDict.__getattr__ = __getattr__

"""The plain models that a distiller's config is made of."""

from __future__ import annotations

import copy

from mmengine.config import ConfigDict

from ..registry import is_distiller
from .sources import ModelSource
from .weights import locate


def student_config(model: ConfigDict) -> ConfigDict:
    """Return the student's config from a distiller's; a plain model's as it is."""
    if not is_distiller(model):
        return model
    student = ModelSource.read(model.student, 'student').cfg
    if model.get('data_preprocessor') is not None:  # as the distiller does
        student.setdefault('data_preprocessor', copy.deepcopy(model.data_preprocessor))
    return student


def teacher_config(model: ConfigDict) -> tuple[ConfigDict, str]:
    """Return the teacher's config and where its weights are.

    Args:
        model: a distiller's config.

    Raises:
        ValueError: if the config has no teacher.
    """
    if not is_distiller(model):
        raise ValueError(f'the config has no teacher: its model is a {model.get("type")}')
    source = ModelSource.read(model.teacher, 'teacher')
    if not source.origin:  # as the distiller does
        shared = student_config(model).get('data_preprocessor')
        if shared is not None:
            source.cfg.setdefault('data_preprocessor', copy.deepcopy(shared))
    return source.cfg, locate(model.teacher_ckpt, source.origin)

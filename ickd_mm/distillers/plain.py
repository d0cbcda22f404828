"""The plain models that a distiller's config is made of."""

from __future__ import annotations

import copy

from mmengine.config import ConfigDict

from .sources import ModelSource
from .weights import locate


def is_distiller(model: ConfigDict) -> bool:
    """Tell whether a model config is a distiller's."""
    return str(model.get('type')).endswith('FeatureDistiller')


def student_config(model: ConfigDict) -> ConfigDict:
    """Return the student's config from a distiller's; a plain model's as it is."""
    return ModelSource.read(model.student, 'student').cfg if is_distiller(model) else model


def teacher_config(model: ConfigDict, ckpt: str | None = None) -> tuple[ConfigDict, str]:
    """Return the teacher's config and where its weights are.

    Args:
        model: a distiller's config.
        ckpt: weights to use instead of the config's ``teacher_ckpt``.

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
    return source.cfg, locate(ckpt or model.teacher_ckpt, source.origin)

"""The size of the images that a model trains on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mmengine.config import Config

from ..registry import type_name
from .model_source import student_config

DEFAULT_SIZE = (224, 224)


def image_size(
    student: Mapping[str, Any], given: Any = None, pipeline: Iterable[Mapping[str, Any]] = ()
) -> tuple[int, int]:
    """Return height and width of a student's training images.

    That is the distiller's ``input_size``, else the size that the student's preprocessor pads
    to, else the size of the first crop of the training pipeline, else 224×224.

    Args:
        student: the plain student's config.
        given: the distiller's ``input_size``: a number for both, or (height, width).
        pipeline: the transforms of the training data.

    Raises:
        ValueError: if ``given`` is not a positive integer or a pair of them.
    """
    padded = (student.get('data_preprocessor') or {}).get('size')
    crops = (s.get('crop_size') or s.get('scale') for s in pipeline if 'Crop' in type_name(s))
    size = given if given is not None else padded or next(filter(None, crops), DEFAULT_SIZE)
    pair = (size, size) if isinstance(size, int) else size
    if not _is_size(pair):
        raise ValueError(f'input_size must be a positive integer or (height, width), got {size!r}')
    return pair[0], pair[1]


def config_image_size(cfg: Config) -> tuple[int, int]:
    """Return height and width of the images that a whole config trains on, distilled or not."""
    student = student_config(cfg.model, cfg.get('data_preprocessor'))
    return image_size(student, cfg.model.get('input_size'), _pipeline(cfg))


def _is_size(pair: Any) -> bool:
    return (
        isinstance(pair, (tuple, list))
        and len(pair) == 2
        and all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in pair)
    )


def _pipeline(cfg: Config) -> list[dict]:
    dataset = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    while 'pipeline' not in dataset and isinstance(dataset.get('dataset'), dict):  # a wrapper's
        dataset = dataset['dataset']
    return dataset.get('pipeline') or []

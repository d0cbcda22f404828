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
    if given is not None and not _is_size(given):
        raise ValueError(f'input_size must be a positive integer or (height, width), got {given!r}')
    crops = (s.get('crop_size') or s.get('scale') for s in pipeline if 'Crop' in type_name(s))
    whole = filter(_is_size, crops)  # a relative crop says nothing in pixels
    size: Any = given or _padded_size(student) or next(whole, DEFAULT_SIZE)
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def config_image_size(cfg: Config) -> tuple[int, int]:
    """Return height and width of the images that a whole config trains on, distilled or not."""
    student = student_config(cfg.model, cfg.get('data_preprocessor'))
    return image_size(student, cfg.model.get('input_size'), _pipeline(cfg))


def fill_input_size(cfg: Config) -> None:
    """Give a distiller's config the size of its training crop where nothing else says a size.

    A distiller sees its own dict alone: ``input_size``, and the size that the student's
    preprocessor pads to, but no pipeline.
    """
    student = student_config(cfg.model, cfg.get('data_preprocessor'))
    if cfg.model.get('input_size') is None and not _padded_size(student):
        cfg.model.input_size = image_size(student, pipeline=_pipeline(cfg))


def _padded_size(student: Mapping[str, Any]) -> Any:
    return (student.get('data_preprocessor') or {}).get('size')


def _is_size(size: Any) -> bool:
    pair = size if isinstance(size, (tuple, list)) else (size, size)
    return len(pair) == 2 and all(type(n) is int and n > 0 for n in pair)


def _pipeline(cfg: Config) -> list[dict]:
    dataset = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    while 'pipeline' not in dataset and isinstance(dataset.get('dataset'), dict):  # a wrapper's
        dataset = dataset['dataset']
    return dataset.get('pipeline') or []

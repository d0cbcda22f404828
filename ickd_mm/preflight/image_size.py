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
) -> tuple[tuple[int, int], str]:
    """Return height and width of a student's training images, and what says so.

    That is the distiller's ``input_size``, else the size that the student's preprocessor pads
    to, else the size of the last crop, resize or pad of the training pipeline, else 224×224.

    Args:
        student: the plain student's config.
        given: the distiller's ``input_size``: a number for both, or (height, width).
        pipeline: the transforms of the training data.

    Raises:
        ValueError: if ``given`` is not a positive integer or a pair of them.
    """
    if given is not None and not is_size(given):
        raise ValueError(f'input_size must be a positive integer or (height, width), got {given!r}')
    found: list[tuple[Any, str]] = [
        (given, 'model.input_size'),
        (_padded_size(student), 'data_preprocessor.size'),
    ]
    for step in reversed(list(pipeline)):
        found.append((_made_size(step), f'the last {type_name(step)} of the training pipeline'))
    found.append((DEFAULT_SIZE, 'a guess, as the config names no size'))
    size, source = next((size, source) for size, source in found if size)
    return ((size, size) if isinstance(size, int) else (size[0], size[1])), source


def config_image_size(cfg: Config) -> tuple[tuple[int, int], str]:
    """Return the size of the images that a config trains on, distilled or not, and what says so."""
    student = student_config(cfg.model, cfg.get('data_preprocessor'))
    return image_size(student, cfg.model.get('input_size'), _pipeline(cfg))


def fill_input_size(cfg: Config) -> None:
    """Give a distiller's config the size of its training pipeline where nothing else says a size.

    A distiller sees its own dict alone: ``input_size``, and the size that the student's
    preprocessor pads to, but no pipeline.
    """
    student = student_config(cfg.model, cfg.get('data_preprocessor'))
    if cfg.model.get('input_size') is None and not _padded_size(student):
        cfg.model.input_size = image_size(student, pipeline=_pipeline(cfg))[0]


def _padded_size(student: Mapping[str, Any]) -> Any:
    return (student.get('data_preprocessor') or {}).get('size')


def is_size(size: Any) -> bool:
    """Tell whether something is a positive integer or a pair of them."""
    pair = size if isinstance(size, (tuple, list)) else (size, size)
    return len(pair) == 2 and all(type(n) is int and n > 0 for n in pair)


def _made_size(step: Mapping[str, Any]) -> Any:
    """Return the size in pixels that a transform makes, or None."""
    name = type_name(step)
    size: Any = step.get('size') if name == 'Pad' else None
    if 'Crop' in name:
        size = step.get('crop_size') or step.get('scale')
    elif 'Resize' in name:
        size = step.get('scale') or (step.get('scales') or [None])[0]
    if not is_size(size):  # a relative crop says nothing in pixels
        return None
    # Resizes and pads take (width, height), crops mostly (height, width).
    return size if isinstance(size, int) or 'Crop' in name else (size[1], size[0])


def _pipeline(cfg: Config) -> list[dict]:
    """Transforms of the training data, those of a data set inside another first."""
    dataset: Any = (cfg.get('train_dataloader') or {}).get('dataset')
    steps: list[dict] = []
    while isinstance(dataset, dict):
        steps = [*(dataset.get('pipeline') or []), *steps]
        dataset = dataset.get('dataset') or next(iter(dataset.get('datasets') or ()), None)
    return steps

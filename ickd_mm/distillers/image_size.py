"""How large the images are that a config trains on."""

from __future__ import annotations

from mmengine.config import Config

from ..registry import is_distiller, type_name
from .plain import student_config


def image_size(cfg: Config) -> tuple[int, int]:
    """Height and width of a config's training images.

    The distiller's ``input_size``, else the size that the student's preprocessor pads to, else
    that of the crop in the training pipeline.

    Raises:
        ValueError: if none of them is there.
    """
    size = cfg.model.get('input_size') or _padded_size(cfg)
    for step in () if size else _pipeline(cfg):
        crop = step.get('crop_size') or step.get('scale')
        size = size or (crop if 'Crop' in type_name(step) else None)
    if not size:
        raise ValueError('the config says nowhere how large its training images are')
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def fill_input_size(cfg: Config) -> None:
    """Give a distiller's config the size of the crop that it trains on as ``input_size``.

    Nothing is changed where the config has one, where the student's preprocessor pads to a
    size, or where the training pipeline has no crop: 224×224 is taken there.
    """
    if is_distiller(cfg.get('model')) and not cfg.model.get('input_size') and not _padded_size(cfg):
        try:
            cfg.model.input_size = image_size(cfg)
        except ValueError:
            return


def _padded_size(cfg: Config) -> int | tuple[int, int] | None:
    preprocessor = student_config(cfg.model).get('data_preprocessor')
    return (preprocessor or cfg.get('data_preprocessor') or {}).get('size')


def _pipeline(cfg: Config) -> list[dict]:
    dataset = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    while 'pipeline' not in dataset and isinstance(dataset.get('dataset'), dict):  # a wrapper's
        dataset = dataset['dataset']
    return dataset.get('pipeline') or []

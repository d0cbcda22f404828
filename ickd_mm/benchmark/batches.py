"""Random batches of the kind that a config trains on."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.structures import BaseDataElement


def student_of(model: ConfigDict) -> ConfigDict:
    """Return the student's part of a distiller's config; a plain model's as it is."""
    return model.student if 'student' in model else model


def image_size(cfg: Config) -> tuple[int, int]:
    """Height and width of a config's training images.

    The distiller's ``input_size``, else the size that the student's preprocessor pads to, else
    that of the crop in the training pipeline.

    Raises:
        ValueError: if none of them is there.
    """
    size = cfg.model.get('input_size')
    size = size or (student_of(cfg.model).get('data_preprocessor') or {}).get('size')
    for step in cfg.train_dataloader.dataset.get('pipeline', ()):
        crop = step.get('crop_size') or step.get('scale')
        size = size or (crop if 'Crop' in str(step['type']) else None)
    if not size:
        raise ValueError('the config says nowhere how large its training images are')
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def random_batch(cfg: Config, images: int, size: tuple[int, int]) -> dict[str, Any]:
    """Random images and labels as the config's data loader hands them to its model.

    Args:
        cfg: a config of mmseg or mmpretrain.
        images: how many.
        size: their height and width.

    Returns:
        ``dict(inputs=[(3, H, W) uint8, ...], data_samples=[...])``.
    """
    student = student_of(cfg.model)
    samples: list[BaseDataElement] = []
    if 'decode_head' in student:
        from mmengine.structures import PixelData
        from mmseg.structures import SegDataSample

        for _ in range(images):
            labels = torch.randint(0, student.decode_head.num_classes, (1, *size))
            sample = SegDataSample(metainfo=dict(img_shape=size, ori_shape=size))
            sample.gt_sem_seg = PixelData(data=labels)
            samples.append(sample)
    else:
        from mmpretrain.structures import DataSample

        labels = torch.randint(0, student.head.num_classes, (images,))
        samples = [DataSample().set_gt_label(label) for label in labels]
    pixels = torch.randint(0, 256, (images, 3, *size), dtype=torch.uint8)
    return dict(inputs=list(pixels), data_samples=samples)

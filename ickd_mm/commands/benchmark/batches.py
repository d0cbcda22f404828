"""Random batches of the kind that a config trains on."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.config import Config
from mmengine.structures import BaseDataElement

from ...preflight.model_source import student_config


def random_batch(cfg: Config, images: int, size: tuple[int, int]) -> dict[str, Any]:
    """Return random images of ``size`` (H, W) with labels, as an mmseg or mmpretrain loader does.

    The batch is ``dict(inputs=[(C, H, W) uint8, ...], data_samples=[...])``; C is the number of
    means in the student's preprocessor, or 3.
    """
    student = student_config(cfg.model, cfg.get('data_preprocessor'))
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
    means = (student.get('data_preprocessor') or {}).get('mean') or (0, 0, 0)
    pixels = torch.randint(0, 256, (images, len(means), *size), dtype=torch.uint8)
    return dict(inputs=list(pixels), data_samples=samples)

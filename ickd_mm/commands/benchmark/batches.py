"""Random batches of the kind that a config trains on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import BaseDataElement

from ...preflight.model_source import read_student

BOXES = 3


def random_batch(cfg: Config, images: int, size: tuple[int, int]) -> dict[str, Any]:
    """Return random images of ``size`` (H, W) with labels, as the library's own loader does.

    The batch is ``dict(inputs=[(C, H, W) uint8, ...], data_samples=[...])``; C is the number of
    means in the student's preprocessor, or 3.
    """
    source = read_student(cfg.model, cfg.get('data_preprocessor'))
    student, samples = source.cfg, list[BaseDataElement]()
    if 'decode_head' in student:
        from mmengine.structures import PixelData
        from mmseg.structures import SegDataSample

        for _ in range(images):
            labels = torch.randint(0, student.decode_head.num_classes, (1, *size))
            sample = SegDataSample(metainfo=dict(img_shape=size, ori_shape=size))
            sample.gt_sem_seg = PixelData(data=labels)
            samples.append(sample)
    elif source.library(cfg.get('default_scope')) == 'mmdet':
        classes = max(_values(student, 'num_classes'), default=1)
        masked = any(_values(cfg.get('train_dataloader') or {}, 'with_mask'))
        samples = [_boxed_sample(classes, size, masked) for _ in range(images)]
    else:
        from mmpretrain.structures import DataSample

        labels = torch.randint(0, student.head.num_classes, (images,))
        samples = [DataSample().set_gt_label(label) for label in labels]
    means = (student.get('data_preprocessor') or {}).get('mean') or (0, 0, 0)
    pixels = torch.randint(0, 256, (images, len(means), *size), dtype=torch.uint8)
    return dict(inputs=list(pixels), data_samples=samples)


def _values(node: Any, wanted: str) -> Iterator[Any]:
    """Yield every value of a key in a config, however deep."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if key == wanted:
            yield value
        elif isinstance(value, (dict, list, tuple)):
            yield from _values(value, wanted)


def _boxed_sample(classes: int, size: tuple[int, int], masked: bool) -> BaseDataElement:
    """Return mmdet's sample with ``BOXES`` random boxes and, where wanted, a mask of each."""
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks
    from mmengine.structures import InstanceData

    height, width = size
    corners = torch.rand(BOXES, 2, 2).sort(dim=1).values
    boxes = corners.flatten(1) * torch.tensor([width, height] * 2)
    sample = DetDataSample(
        metainfo=dict(img_shape=size, ori_shape=size, img_id=0, scale_factor=(1.0, 1.0))
    )
    labels = torch.randint(0, classes, (BOXES,))
    sample.gt_instances = InstanceData(bboxes=boxes, labels=labels)
    if masked:
        masks = np.zeros((BOXES, height, width), np.uint8)
        for mask, (left, top, right, bottom) in zip(masks, boxes.int().tolist()):
            mask[top : bottom + 1, left : right + 1] = 1
        sample.gt_instances.masks = BitmapMasks(masks, height, width)
    return sample

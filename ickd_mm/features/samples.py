"""Data samples for models that do not run on images alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.structures import BaseDataElement, InstanceData, PixelData


def _about(size: tuple[int, int]) -> dict[str, Any]:
    """What pipelines and preprocessors note on an image that was neither resized nor padded."""
    shapes = dict.fromkeys(('img_shape', 'ori_shape', 'pad_shape', 'batch_input_shape'), size)
    return dict(shapes, scale_factor=(1.0, 1.0), flip=False, flip_direction=None, img_id=0)


def made_samples(images: int, size: tuple[int, int]) -> list[BaseDataElement]:
    """Return samples with every kind of label, class 0, for images of ``size`` (height, width)."""
    height, width = size
    samples = []
    for _ in range(images):
        sample = BaseDataElement(metainfo=_about(size))
        label = torch.zeros(1, dtype=torch.long)
        pixels = torch.zeros(1, height, width, dtype=torch.long)
        sample.gt_label = label
        sample.gt_sem_seg, sample.gt_edge_map = PixelData(data=pixels), PixelData(data=pixels)
        box = torch.tensor([[0.0, 0.0, width, height]])
        sample.gt_instances = InstanceData(bboxes=box, labels=label)
        samples.append(sample)
    return samples


def completed(
    samples: Sequence[BaseDataElement], size: tuple[int, int], resized: bool = False
) -> list[BaseDataElement]:
    """Return copies of a batch's samples in which nothing is missing that a model may ask for.

    A teacher of another library asks for what the student's data do not note. Where the images
    were ``resized`` to ``size`` (height, width), what the samples note on sizes is replaced.
    """
    about = _about(size)
    kept = about if resized else {}
    return [sample.new(metainfo={**about, **sample.metainfo, **kept}) for sample in samples]

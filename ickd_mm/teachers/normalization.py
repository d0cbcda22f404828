"""Give the teacher its input in its own normalisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor

from ..features.dry_run import image_channels


def _scaling(preprocessor: Any) -> tuple[bool, Tensor, Tensor]:
    """Return (RGB order?, mean, std), the last two (C or 1, 1, 1) on 0-255 pixels."""
    keys = ('to_rgb', '_channel_conversion', 'channel_conversion')
    found = (getattr(preprocessor, key, None) for key in keys)
    swaps = bool(next((value for value in found if value is not None), False))
    if getattr(preprocessor, '_enable_normalize', False):
        return swaps, preprocessor.mean, preprocessor.std
    return swaps, torch.zeros(1, 1, 1), torch.ones(1, 1, 1)


def make_renormalizer(student: BaseModel, teacher: BaseModel) -> Callable[[Tensor], Tensor] | None:
    r"""Map the student's normalised images to the teacher's.

    .. math:: x_t = (\pi(x_s \sigma_s + \mu_s) - \mu_t) / \sigma_t

    where π swaps red and blue if only one of the two data preprocessors does, and repeats the one
    channel of gray images for a teacher that takes three. Pixels that the student's preprocessor
    padded are mapped like any others.

    Returns:
        None where the two agree, else a function of (N, C, H, W) images.

    Raises:
        ValueError: if the two are for images of different numbers of channels.
    """
    ours, theirs = image_channels(student), image_channels(teacher)
    if ours != theirs and (ours, theirs) != (1, 3):
        raise ValueError(
            f'the student takes images of {ours} channels and the teacher of {theirs}, '
            'and both get the same images: choose a teacher that was trained on such images, or '
            f'set in_channels={theirs} in the student, data_preprocessor.mean and std to as '
            'many values, and color_type in LoadImageFromFile to match'
        )
    swap_s, mean_s, std_s = _scaling(student.data_preprocessor)
    swap_t, mean_t, std_t = _scaling(teacher.data_preprocessor)
    mean_s, std_s, mean_t, std_t = (
        v.expand(theirs, 1, 1).clone().cpu() for v in (mean_s, std_s, mean_t, std_t)
    )
    if (
        ours == theirs
        and swap_s == swap_t
        and torch.equal(mean_s, mean_t)
        and torch.equal(std_s, std_t)
    ):
        return None
    if swap_s != swap_t:
        mean_s, std_s = mean_s.flip(0), std_s.flip(0)
    constants = std_s / std_t, (mean_s - mean_t) / std_t
    moved: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}

    def renormalize(images: Tensor) -> Tensor:
        images = images.expand(-1, theirs, -1, -1)
        if swap_s != swap_t:
            images = images.flip(1)
        place = images.device, images.dtype
        if place not in moved:  # once: a copy to a GPU makes the CPU wait for it
            moved[place] = [constant.to(images) for constant in constants]
        scale, shift = moved[place]
        return images * scale + shift

    return renormalize

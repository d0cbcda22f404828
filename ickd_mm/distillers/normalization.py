"""Give the teacher its input in its own normalisation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def _scaling(preprocessor: nn.Module) -> tuple[bool, Tensor, Tensor]:
    """Return (RGB order?, mean, std), the last two (3 or 1, 1, 1) on 0-255 pixels."""
    swaps = getattr(preprocessor, 'to_rgb', None)
    if swaps is None:
        swaps = getattr(preprocessor, '_channel_conversion', None)
    if swaps is None:
        swaps = getattr(preprocessor, 'channel_conversion', False)
    if getattr(preprocessor, '_enable_normalize', False):
        return bool(swaps), preprocessor.mean, preprocessor.std
    return bool(swaps), torch.zeros(1, 1, 1), torch.ones(1, 1, 1)


def bridge(student: nn.Module, teacher: nn.Module) -> Callable[[Tensor], Tensor] | None:
    r"""Map the student's normalised images to the teacher's.

    .. math:: x_t = (\pi(x_s \sigma_s + \mu_s) - \mu_t) / \sigma_t

    where π swaps red and blue if only one of the models does. Pixels that the student's
    preprocessor padded are mapped like any others.

    Args:
        student: the student's data preprocessor.
        teacher: the teacher's.

    Returns:
        None where the two agree, else a function of (N, 3, H, W) images.
    """
    swap_s, mean_s, std_s = _scaling(student)
    swap_t, mean_t, std_t = _scaling(teacher)
    alike = all(
        torch.equal(a.expand(3, 1, 1).cpu(), b.expand(3, 1, 1).cpu())
        for a, b in ((mean_s, mean_t), (std_s, std_t))
    )
    if alike and swap_s == swap_t:
        return None
    mean_s, std_s, mean_t, std_t = (
        v.expand(3, 1, 1).clone() for v in (mean_s, std_s, mean_t, std_t)
    )
    if swap_s != swap_t:
        mean_s, std_s = mean_s.flip(0), std_s.flip(0)
    scale, shift = std_s / std_t, (mean_s - mean_t) / std_t

    def renormalise(images: Tensor) -> Tensor:
        if swap_s != swap_t:
            images = images.flip(1)
        return images * scale.to(images) + shift.to(images)

    return renormalise

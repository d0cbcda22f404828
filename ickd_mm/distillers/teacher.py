"""The frozen teacher: a model that gives features and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor

from .taps import Capture, Tap


class FrozenTeacher:
    """Holds a teacher outside the module tree and runs it up to its last tap.

    Not being a module keeps it out of the optimizer, of DDP's buckets, of checkpoints and of
    ``train()``; copies (EMA) share it.

    Args:
        model: the teacher, its weights restored.
        taps: the features asked for.
        renormalise: maps the student's images to the teacher's normalisation, or None.
        copies: taps whose output the model changes in place later on.
    """

    def __init__(
        self,
        model: BaseModel,
        taps: list[Tap],
        renormalise: Callable[[Tensor], Tensor] | None,
        copies: frozenset[Tap] = frozenset(),
    ) -> None:
        model.eval()
        self.model = model.requires_grad_(False)
        self.taps = taps
        self.renormalise = renormalise
        self.copies = copies

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenTeacher:
        return self

    def apply(self, fn: Callable[[Tensor], Tensor]) -> None:
        """Move or cast the weights, as ``nn.Module._apply`` does."""
        self.model._apply(fn)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> dict[Tap, Tensor]:
        """Return the feature of every tap for the student's (N, 3, H, W) images."""
        if self.renormalise is not None:
            images = self.renormalise(images)
        with Capture(self.model, self.taps, 'teacher', stop=True, copies=self.copies) as seen:
            self.model(images, mode='tensor')
        return {tap: seen[tap] for tap in self.taps}

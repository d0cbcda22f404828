"""Compare a run's model with its training data when both are built, before the first iteration."""

from __future__ import annotations

import functools
from typing import Any

from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ..wrappers import unwrapped


def single_image_batches(loader: DataLoader) -> str:
    """Say why a loader gives batches of one image and what to do, or nothing where it does not.

    A sampler without an end has no last batch.
    """
    size = loader.batch_size
    if size == 1:
        return 'train_dataloader.batch_size is 1: set another'
    if size is None or loader.drop_last or 'Infinite' in type(loader.sampler).__name__:
        return ''
    count = len(loader.sampler)  # type: ignore[arg-type]
    last = f'the last batch of train_dataloader is one image ({count} in batches of {size})'
    return f'{last}: set train_dataloader.drop_last=True' if count % size == 1 else ''


@functools.cache
def check_before_training() -> None:
    """Let every runner of this process compare model and data when it builds its training loop."""
    build = Runner.build_train_loop

    @functools.wraps(build)
    def build_train_loop(self: Runner, loop: Any) -> Any:
        built = build(self, loop)
        model, single = unwrapped(self.model), single_image_batches(built.dataloader)
        if single and hasattr(model, 'check_single_image'):
            model.check_single_image(single)
        return built

    Runner.build_train_loop = build_train_loop

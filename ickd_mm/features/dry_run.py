"""Run a model once before training, to learn what its modules give, without arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from ..randomness import preserved_randomness
from .taps import Capture, Tap

IMAGES = 2


@contextmanager
def _evaluating(model: BaseModel) -> Iterator[None]:
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode


class _NormsByShape(TorchDispatchMode):
    """Give a batch norm's output by its shape: decomposing it on fake tensors takes long."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func is torch.ops.aten.native_batch_norm.default:
            x, mean = args[0], args[3]
            if mean is not None and x.dim() > 1 and mean.shape == x.shape[1:2]:
                return torch.empty_like(x), x.new_empty(0), x.new_empty(0)
        return func(*args, **(kwargs or {}))


def image_channels(model: BaseModel) -> int:
    """Return the number of channels of a model's images.

    That is the number of its preprocessor's means if there are several, else the input channels
    of the model's first convolution, else three.
    """
    mean = getattr(getattr(model, 'data_preprocessor', None), 'mean', None)
    if isinstance(mean, Tensor) and mean.shape[0] > 1:
        return mean.shape[0]
    convolutions = (m for m in model.modules() if isinstance(m, nn.Conv2d))
    return next((m.in_channels for m in convolutions), 3)


def dry_run(
    model: BaseModel,
    size: tuple[int, int],
    watch: AbstractContextManager,
    dtype: torch.dtype = torch.float32,
    layout: torch.memory_format = torch.contiguous_format,
) -> None:
    """Run a model once on ``IMAGES`` images, in eval mode and mode 'tensor'.

    The images are fake tensors, which have a shape and a dtype and cost no arithmetic; where the
    model cannot run on them, random images. The model is left as it was.

    Args:
        model: the model to run.
        size: height and width of the images.
        watch: entered around the forward alone; entered again for a second attempt.
        dtype: of the images.
        layout: memory format of the images.
    """
    channels = image_channels(model)

    def run() -> None:
        with preserved_randomness(), _evaluating(model), torch.no_grad(), watch:
            images = torch.randn(IMAGES, channels, *size).to(dtype=dtype, memory_format=layout)
            model(images, mode='tensor')

    try:
        with FakeTensorMode(allow_non_fake_inputs=True), _NormsByShape():
            run()
    except Exception:
        run()


def dry_run_features(
    model: BaseModel, taps: list[Tap], role: str, size: tuple[int, int]
) -> Capture:
    """Return the features of some taps from a dry run; only their shape and dtype are real.

    ``role`` is 'student' or 'teacher', for messages; ``size`` the images' height and width.

    Raises:
        KeyError: for a path that the model does not have.
        RuntimeError: if a tapped module does not run exactly once.
        ValueError: if a tap does not give a tensor.
    """
    capture = Capture(model, taps, role)
    dry_run(model, size, capture)
    return capture

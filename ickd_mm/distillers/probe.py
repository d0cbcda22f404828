"""Learn the shapes of tapped features before training, without computing them."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from .pairs import Pair
from .taps import Capture, Tap

DEFAULT_SIZE = (224, 224)
IMAGES = 2


@contextmanager
def preserved_randomness() -> Iterator[None]:
    """Leave Python's, NumPy's and torch's generators as they were before."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        used = torch.cuda.is_available() and torch.cuda.is_initialized()
        with torch.random.fork_rng([torch.cuda.current_device()] if used else []):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def training_size(model: BaseModel, given: int | tuple[int, int] | None = None) -> tuple[int, int]:
    """Height and width of the images that a model trains on.

    Args:
        model: its preprocessor's ``size`` counts where nothing is given; 224×224 without one.
        given: the distiller's ``input_size``.

    Raises:
        ValueError: if ``given`` is neither a positive integer nor a pair of them.
    """
    if given is None:
        size = getattr(model.data_preprocessor, 'size', None)
        return tuple(size) if size is not None else DEFAULT_SIZE  # type: ignore[return-value]
    size = (given, given) if isinstance(given, int) else given
    if (
        not isinstance(size, (tuple, list))
        or len(size) != 2
        or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in size)
    ):
        raise ValueError(f'input_size must be a positive integer or (height, width), got {given!r}')
    return size[0], size[1]


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
    """Give a batch norm's output by its shape: fake tensors would take it apart every time."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func is torch.ops.aten.native_batch_norm.default:
            x, mean = args[0], args[3]
            if mean is not None and x.dim() > 1 and mean.shape == x.shape[1:2]:
                return torch.empty_like(x), x.new_empty(0), x.new_empty(0)
        return func(*args, **(kwargs or {}))


def image_channels(model: BaseModel) -> int:
    """Channels of the images that a model takes.

    As many as its preprocessor has means; where that is one for all or none, what the model's
    first convolution takes; else three.
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

    On fake tensors, which have shape and dtype and cost no arithmetic; where the model cannot
    run on them, on random images.

    Args:
        model: left as it was.
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


class Probe:
    """The features of some taps, as a dry run gives them.

    Args:
        model: student or teacher; it is left as it was.
        taps: what to look at.
        role: 'student' or 'teacher', for messages.
        size: height and width of the images.

    Raises:
        KeyError: for a path that the model does not have.
        RuntimeError: if a tapped module does not run exactly once.
        ValueError: if a tap gives no tensor.
    """

    def __init__(self, model: BaseModel, taps: list[Tap], role: str, size: tuple[int, int]) -> None:
        self._capture = Capture(model, taps, role)
        dry_run(model, size, self._capture)

    def __getitem__(self, tap: Tap) -> Tensor:
        """Return the feature of a tap; read its shape and dtype only."""
        return self._capture[tap]

    def changed(self) -> frozenset[Tap]:
        """Taps whose feature the model changes in place after making it."""
        return self._capture.changed()


def rehearse(pair: Pair, student: Tensor, teacher: Tensor, size: tuple[int, int]) -> None:
    """Run a copy of a pair once on random features of the probed shapes.

    Args:
        pair: what is run.
        student: the student's feature; its shape counts.
        teacher: the teacher's.
        size: height and width of the images that give these shapes, for messages.

    Raises:
        ValueError: naming the pair, both taps and shapes, if connector or loss refuses them or
            the loss is no scalar.
    """
    try:
        with preserved_randomness(), torch.no_grad():
            loss: Any = copy.deepcopy(pair)(torch.randn(student.shape), torch.randn(teacher.shape))
    except Exception as error:
        raise ValueError(
            f'pairs.{pair.name}: student {pair.student.path!r} {tuple(student.shape)} and teacher '
            f'{pair.teacher.path!r} {tuple(teacher.shape)} do not go together: {error}; these are '
            f'the shapes for images of {size[0]}x{size[1]}, model.input_size sets another size'
        ) from error
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        got = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        raise ValueError(f'pairs.{pair.name}.loss must give one number, it gives {got}')

"""Run a model once before training, to learn what its modules give, without arithmetic."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.module import register_module_forward_hook
from torch.utils._python_dispatch import TorchDispatchMode

from ..randomness import preserved_randomness
from .samples import made_samples
from .taps import Capture, Tap, TapError
from .unchanged import unchanged

IMAGES = 2
aten = torch.ops.aten


@contextmanager
def _mode(model: BaseModel, training: bool) -> Iterator[None]:
    """Put a model in a mode; afterwards it is as it was, buffers included.

    Batch norms stay in eval mode: they give the same shapes, and a synchronised one would wait for
    other processes.
    """
    with unchanged(model):
        model.train(training)
        for module in model.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
        yield


class _ByShape(TorchDispatchMode):
    """Answer by shape what fake tensors cannot answer, or take long for.

    Decomposing a batch norm takes long. A loss asks for values: every number is 1 and a mask
    chooses every element, since the features do not depend on it.
    """

    def __init__(self, loss: bool) -> None:
        super().__init__()
        self._loss = loss

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func is aten.native_batch_norm.default:
            x, mean = args[0], args[3]
            if mean is not None and x.dim() > 1 and mean.shape == x.shape[1:2]:
                return torch.empty_like(x), x.new_empty(0), x.new_empty(0)
        elif self._loss and func is aten._local_scalar_dense.default:
            kind = args[0].dtype
            return True if kind is torch.bool else 1.0 if kind.is_floating_point else 1
        elif self._loss and func is aten.nonzero.default:
            return args[0].new_empty((args[0].numel(), args[0].dim()), dtype=torch.int64)
        elif self._loss and func is aten.masked_select.default:
            return args[0].new_empty(args[0].numel())
        elif self._loss and func is aten.index.Tensor:
            return func(args[0], [part for index in args[1] for part in _whole(index)])
        return func(*args, **(kwargs or {}))


def _whole(index: Tensor | None) -> list[Tensor | None]:
    """Return the indices of every element for a mask, other indices as they are."""
    if index is None or index.dtype not in (torch.bool, torch.uint8):
        return [index]
    return [index.new_empty(index.numel(), dtype=torch.int64) for _ in range(index.dim())]


def image_channels(model: BaseModel) -> int:
    """Return the number of channels of a model's images.

    That is the number of its preprocessor's means if there are several, else what its first
    convolution takes, else three. A stem may lay pixels out as channels before that convolution
    (YOLOX makes 12 of 3): its factor is measured.
    """
    mean = getattr(getattr(model, 'data_preprocessor', None), 'mean', None)
    if isinstance(mean, Tensor) and mean.shape[0] > 1:
        return mean.shape[0]
    layers = ((name, m) for name, m in model.named_modules() if isinstance(m, nn.Conv2d))
    name, first = next(layers, ('', None))
    if first is None or first.in_channels in (1, 3):
        return 3 if first is None else first.in_channels
    return first.in_channels**2 // _arriving(model, Tap.parse(f'{name}:input'), first.in_channels)


def _arriving(model: BaseModel, tap: Tap, channels: int) -> int:
    """Return how many channels of images with ``channels`` a tap sees; all if it does not run."""
    capture = Capture(model, [tap], 'model', stop=True)
    with suppress(Exception), preserved_randomness(), _mode(model, training=False):
        images = torch.zeros(1, channels, 64, 64, device=next(model.parameters()).device)
        with torch.no_grad(), capture:
            model(images, mode='tensor')
        return capture[tap].shape[1]
    return channels


class _Progress:
    """Notes the modules of a process that end their forward, while it is entered."""

    def __init__(self) -> None:
        self.ran: list[nn.Module] = []

    def __enter__(self) -> None:
        self._handle = register_module_forward_hook(lambda module, *_: self.ran.append(module))

    def __exit__(self, *error: Any) -> None:
        self._handle.remove()


def dry_run(
    model: BaseModel,
    size: tuple[int, int],
    *watches: AbstractContextManager,
    role: str = 'model',
    trains: bool = False,
    labelled: bool = True,
    layout: torch.memory_format = torch.contiguous_format,
) -> bool:
    """Run a model once on ``IMAGES`` images, and leave it as it was.

    A model that ``trains`` runs in training mode, in mode 'loss' where made labels allow it, with
    gradients; else it runs in eval mode and mode 'tensor'. The images are fake tensors, which have
    a shape and a dtype and cost no arithmetic; where the model cannot run on them, random images.
    Where it cannot run on images alone, it gets data samples. A run that fails when every watch is
    ``complete`` is good enough.

    Args:
        model: the model to run.
        size: height and width of the images.
        watches: entered around the forward alone; entered again for another attempt.
        role: 'student', 'teacher' or 'model', for messages.
        trains: run it as it trains.
        labelled: whether it trains with labels; without, its mode is 'tensor' in training too.
        layout: memory format of the images.

    Returns:
        Whether the model needed data samples.

    Raises:
        TapError: from a watch, at once.
        RuntimeError: if every attempt fails: what the best of them met, and where.
    """
    ways = [('tensor', False), ('tensor', True)]
    furthest: list[nn.Module] = []
    weights = [p for p in model.parameters() if p.is_floating_point()] or [torch.zeros(())]
    device, dtype = weights[0].device, weights[0].dtype
    for fake in (True, False):
        for mode, sampled in [('loss', True)] * (trains and labelled) + ways:
            progress = _Progress()
            try:
                with ExitStack() as stack:
                    stack.enter_context(preserved_randomness())
                    stack.enter_context(_mode(model, training=trains))
                    stack.enter_context(torch.set_grad_enabled(trains))
                    if fake:
                        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
                        stack.enter_context(_ByShape(loss=mode == 'loss'))
                    images = torch.randn(IMAGES, image_channels(model), *size, device=device)
                    samples = [sample.to(device) for sample in made_samples(IMAGES, size)]
                    for watch in (progress, *watches):
                        stack.enter_context(watch)
                    images = images.to(dtype=dtype, memory_format=layout)
                    model(images, *([samples] if sampled else []), mode=mode)
                return sampled
            except TapError:
                raise
            except Exception as error:
                if watches and all(getattr(watch, 'complete', False) for watch in watches):
                    return sampled
                if len(progress.ran) >= len(furthest):
                    furthest, fault = progress.ran, error
    names = {module: name for name, module in model.named_modules()}
    last = next((names[m] for m in reversed(furthest) if names.get(m)), None)
    alone = ", model.teacher_run.size the teacher's alone" if role == 'teacher' else ''
    raise RuntimeError(
        f'the {role} ({type(model).__name__}) cannot run on images of {size[0]}x{size[1]} '
        f'(model.input_size sets another size{alone}), nor with data samples made for them: '
        f'{type(fault).__name__}: {fault}; '
        + (f'the last of its modules that ran is {last!r}' if last else 'none of its modules ran')
    ) from fault


def dry_run_features(
    model: BaseModel, taps: list[Tap], role: str, size: tuple[int, int], labelled: bool = True
) -> Capture:
    """Return the features of some taps from a dry run; only their shape and dtype are real.

    ``role`` is 'student' or 'teacher'; ``size`` the images' height and width; ``labelled`` whether
    a student trains with labels.

    Raises:
        KeyError: for a path that the model does not have.
        TapError: if a tap does not give one tensor.
        RuntimeError: if the model cannot run up to its last tap.
    """
    trains = role == 'student'
    if trains:  # a copy, since a loss may keep counts or tensors in plain attributes
        with suppress(Exception):
            model = copy.deepcopy(model)
    capture = Capture(model, taps, role)
    try:
        dry_run(model, size, capture, role=role, trains=trains, labelled=labelled)
    except TapError as error:
        if labelled:
            raise
        raise TapError(
            f"{error}; without labels (supervised=False) the student runs in mode 'tensor', not "
            'its losses: what only these run cannot be tapped'
        ) from error
    return capture

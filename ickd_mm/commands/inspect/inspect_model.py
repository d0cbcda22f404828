"""Find every module of a model that can be tapped, with the shapes of its outputs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ...features.dry_run import IMAGES, dry_run

CONTAINERS = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)


def _attention_in_parts() -> AbstractContextManager:
    """Have attention computed by plain products, which alone are counted."""
    try:
        from torch.nn.attention import SDPBackend, sdpa_kernel
    except ImportError:  # torch < 2.3
        return torch.backends.cuda.sdp_kernel(enable_flash=False, enable_mem_efficient=False)
    return sdpa_kernel(SDPBackend.MATH)


@dataclass(frozen=True)
class Output:
    """One output of a module of class ``kind``.

    Attributes:
        path: as a pair names it: ``backbone.layer4``, or ``backbone[3]`` in a tuple.
        shape: shape for a batch of N images, without N; None for what is not a tensor.
        why_not: why it cannot be tapped; empty where it can.
    """

    path: str
    kind: str
    shape: tuple[int, ...] | None
    why_not: str

    @property
    def depth(self) -> int:
        """Number of names in the path."""
        return self.path.count('.') + 1


@dataclass(frozen=True)
class ModelReport:
    """A model of class ``kind``, as one forward in mode 'tensor' shows it.

    Attributes:
        size: height and width of its images.
        parameters: number of parameters, auxiliary heads included.
        flops: multiply-adds of matrix products, convolutions and attention, for one image.
        outputs: every module's outputs, in the order of the modules.
    """

    kind: str
    size: tuple[int, int]
    parameters: int
    flops: int
    outputs: list[Output]


class _Watch:
    """Notes every module's outputs, and counts multiply-adds, while it is entered."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.seen: dict[nn.Module, list[Any]] = {}
        self.flops = 0

    def __enter__(self) -> None:
        self.seen = {}
        self._stack = ExitStack()
        for module in self._model.modules():
            self._stack.callback(module.register_forward_hook(self._note).remove)
        # The counter does not know the CPU's fused attention; its parts it does.
        self._stack.enter_context(_attention_in_parts())
        self._counter = self._stack.enter_context(FlopCounterMode(display=False))

    def _note(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self.seen.setdefault(module, []).append(output)

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)
        self.flops = self._counter.get_total_flops() // 2


def inspect_model(model: BaseModel, size: tuple[int, int]) -> ModelReport:
    """Run a model once, without arithmetic where possible, and note its modules' outputs.

    Args:
        model: any mmengine model with ``forward(images, mode='tensor')``; left as it was.
        size: height and width of the images.
    """
    watch = _Watch(model)
    dry_run(model, size, watch)
    outputs: list[Output] = []
    for path, module in model.named_modules():
        if path:
            runs = watch.seen.get(module, [])
            outputs += _outputs(path, module, runs) if runs else [_idle(path, module, watch.seen)]
    return ModelReport(
        type(model).__name__,
        size,
        sum(p.numel() for p in model.parameters()),
        watch.flops // IMAGES,
        outputs,
    )


def _idle(path: str, module: nn.Module, seen: dict[nn.Module, list[Any]]) -> Output:
    """Say why a module has no output."""
    if isinstance(module, CONTAINERS):
        reason = 'a container: tap its elements'
    elif any(part in seen for part in module.modules()):
        reason = 'its forward is called past its hooks: tap its parts'
    else:
        reason = "not run in mode 'tensor'"
    return Output(path, type(module).__name__, None, reason)


def _outputs(path: str, module: nn.Module, runs: list[Any]) -> Iterator[Output]:
    kind = type(module).__name__
    reason = f'runs {len(runs)} times, must be once' if len(runs) > 1 else ''
    for place, value in _leaves(path, runs[-1]):
        if isinstance(value, Tensor):
            yield Output(place, kind, tuple(value.shape[1:]), reason)
        else:
            why = f'does not give a tensor: {type(value).__name__}'
            yield Output(place, kind, None, reason or why)


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield (path, value) of everything in nested tuples; an empty tuple counts as a value."""
    if not isinstance(value, (tuple, list)) or not value:
        yield path, value
        return
    for number, item in enumerate(value):
        yield from _leaves(f'{path}[{number}]', item)

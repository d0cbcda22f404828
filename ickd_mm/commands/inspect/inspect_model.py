"""Find every module of a model that can be tapped, with the shapes of its outputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ...features.dry_run import IMAGES, dry_run
from ...features.outputs import Outputs

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
    """A model of class ``kind``, as one forward or training step shows it.

    Attributes:
        size: height and width of its images.
        parameters: number of parameters, auxiliary heads included.
        flops: multiply-adds of matrix products, convolutions and attention, for one image.
        outputs: every module's outputs, in the order of the modules.
        fault: why the forward did not come to its end; empty where it did.
    """

    kind: str
    size: tuple[int, int]
    parameters: int
    flops: int
    outputs: list[Output]
    fault: str = ''


def inspect_model(
    model: BaseModel, size: tuple[int, int], trains: bool = True, labelled: bool = True
) -> ModelReport:
    """Run a model without arithmetic where possible, and note its modules' outputs.

    Args:
        model: any mmengine model; left as it was.
        size: height and width of the images.
        trains: note what a training step shows, as it counts for a student; else what the forward
            in mode 'tensor' shows, as it counts for a teacher. Multiply-adds are the latter's.
        labelled: whether that step is one with labels.

    Raises:
        RuntimeError: if none of its modules runs.
    """
    outputs, flops, fault = _run(model, size, trains=False)
    if trains:
        outputs, _, fault = _run(model, size, trains=True, labelled=labelled)
    parameters = sum(p.numel() for p in model.parameters())
    return ModelReport(type(model).__name__, size, parameters, flops, outputs, fault)


def _run(
    model: BaseModel, size: tuple[int, int], trains: bool, labelled: bool = True
) -> tuple[list[Output], int, str]:
    """Return every module's outputs, multiply-adds, and why the forward did not come to its end."""
    watch, counter, fault = Outputs(model), FlopCounterMode(display=False), ''
    try:
        # The counter does not know the CPU's fused attention; its parts it does.
        with _attention_in_parts():
            dry_run(model, size, watch, counter, trains=trains, labelled=labelled)
    except RuntimeError as error:
        if not watch.seen:
            raise
        fault = str(error)
    outputs: list[Output] = []
    for path, module in model.named_modules():
        if path in watch.seen:
            outputs += _outputs(path, module, [output for output, _ in watch.seen[path]])
        elif path:
            outputs.append(_idle(path, module, watch.seen))
    return outputs, counter.get_total_flops() // (2 * IMAGES), fault


def _idle(path: str, module: nn.Module, seen: Iterable[str]) -> Output:
    """Say why a module has no output."""
    if isinstance(module, CONTAINERS):
        reason = 'a container: tap its elements'
    elif any(name.startswith(f'{path}.') for name in seen):
        reason = 'its forward is called past its hooks: tap its parts'
    else:
        reason = 'does not run'
    return Output(path, type(module).__name__, None, reason)


def _outputs(path: str, module: nn.Module, runs: list[Any]) -> Iterator[Output]:
    kind = type(module).__name__
    for number, run in enumerate(runs, 1):
        for place, value in _leaves(path if len(runs) == 1 else f'{path}#{number}', run):
            if isinstance(value, Tensor) and value.dim():
                yield Output(place, kind, tuple(value.shape[1:]), '')
            else:
                what = f'does not give a tensor: {type(value).__name__}'
                why = 'gives one number' if isinstance(value, Tensor) else what
                yield Output(place, kind, None, why)


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield (path, value) of everything in nested tuples; an empty tuple counts as a value."""
    if not isinstance(value, (tuple, list)) or not value:
        yield path, value
        return
    for number, item in enumerate(value):
        yield from _leaves(f'{path}[{number}]', item)

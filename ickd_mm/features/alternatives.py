"""Name the tap that would work in place of one that does not."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

from mmengine.model import BaseModel
from torch import Tensor, nn

from .dry_run import dry_run
from .taps import Tap
from .tokens import tokens_to_map

Found = list[tuple[str, Any, bool]]


class _Outputs:
    """Notes what every module gives, in the order in which they end, while it is entered."""

    def __init__(self, model: nn.Module, until: str) -> None:
        self._model, self._until = model, until

    def __enter__(self) -> None:
        self.seen: Found = []
        self._handles = [
            module.register_forward_hook(partial(self._note, name))
            for name, module in self._model.named_modules()
            if name
        ]

    def _note(self, name: str, module: nn.Module, args: Any, output: Any) -> None:
        gradient = isinstance(output, Tensor) and output.requires_grad  # may change afterwards
        self.seen.append((name, output, gradient))

    def __exit__(self, *error: Any) -> None:
        for handle in self._handles:
            handle.remove()

    @property
    def complete(self) -> bool:
        return any(name == self._until for name, *_ in self.seen)


def _outputs(model: BaseModel, tap: Tap, role: str, size: tuple[int, int]) -> Found:
    watch = _Outputs(model, tap.module)
    dry_run(model, size, watch, role=role, trains=role == 'student')
    names = [name for name, *_ in watch.seen]
    return [found for found in watch.seen if names.count(found[0]) == 1]


def _is_map(output: Any) -> bool:
    return isinstance(output, Tensor) and output.dim() == 4 and output.shape[2:].numel() > 1


def tap_with_gradient(model: BaseModel, tap: Tap, size: tuple[int, int]) -> str | None:
    """Name the first module after a student's tap, not deeper than it, whose map has a gradient."""
    seen = _outputs(model, tap, 'student', size)
    start = next((n for n, (name, *_) in enumerate(seen) if name == tap.module), 0)
    for name, output, gradient in seen[start:]:
        if gradient and _is_map(output) and name.count('.') <= tap.module.count('.'):
            return name
    return None


def tap_with_map(
    model: BaseModel, tap: Tap, feature: Tensor, role: str, size: tuple[int, int]
) -> str | None:
    """Name a tap that gives a map: of the same tokens, else of what ends last inside the module."""
    if _is_map(_as_map(feature, size)):
        return f'{tap.path}:map'
    for name, output, _ in reversed(_outputs(model, tap, role, size)):
        if name.startswith(f'{tap.module}.') and _is_map(_as_map(output, size)):
            return name if _is_map(output) else f'{name}:map'
    return None


def _as_map(output: Any, size: tuple[int, int]) -> Any:
    with suppress(ValueError):
        return tokens_to_map(output, size) if getattr(output, 'ndim', 0) == 3 else output
    return None

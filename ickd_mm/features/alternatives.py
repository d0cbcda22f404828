"""Name the tap that would work in place of one that does not."""

from __future__ import annotations

from functools import partial
from typing import Any

from mmengine.model import BaseModel
from torch import Tensor, nn

from .dry_run import dry_run
from .taps import Tap
from .tokens import tokens_to_map

Found = list[tuple[str, Any]]


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
        self.seen.append((name, output))

    def __exit__(self, *error: Any) -> None:
        for handle in self._handles:
            handle.remove()

    @property
    def complete(self) -> bool:
        return any(name == self._until for name, _ in self.seen)


def _outputs(model: BaseModel, tap: Tap, role: str, size: tuple[int, int]) -> Found:
    watch = _Outputs(model, tap.module)
    dry_run(model, size, watch, role=role, trains=role == 'student')
    names = [name for name, _ in watch.seen]
    return [(name, output) for name, output in watch.seen if names.count(name) == 1]


def _is_map(output: Any) -> bool:
    return isinstance(output, Tensor) and output.dim() == 4 and output.shape[2:].numel() > 1


def tap_with_gradient(model: BaseModel, tap: Tap, size: tuple[int, int]) -> str | None:
    """Name the first module after a student's tap, not deeper than it, whose map has a gradient."""
    seen = _outputs(model, tap, 'student', size)
    start = next((n for n, (name, _) in enumerate(seen) if name == tap.module), 0)
    for name, output in seen[start:]:
        if name.count('.') <= tap.module.count('.') and _is_map(output) and output.requires_grad:
            return name
    return None


def tap_with_map(model: BaseModel, tap: Tap, role: str, size: tuple[int, int]) -> str | None:
    """Name the last map inside a tapped module, or its own tokens, as a tap that gives a map."""
    inside = tap.module + '.'
    for name, output in reversed(_outputs(model, tap, role, size)):
        if name == tap.module or name.startswith(inside):
            if _is_map(output):
                return name
            if isinstance(output, Tensor) and output.dim() == 3:
                try:
                    tokens_to_map(output, size)
                except ValueError:
                    continue
                return f'{name}:map'
    return None

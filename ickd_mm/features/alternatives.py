"""Name the tap that would work in place of one that does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from torch import Tensor, nn

from .dry_run import dry_run
from .outputs import Outputs
from .taps import Tap
from .tokens import tokens_to_map


def _outputs(
    model: nn.Module, tap: Tap, role: str, size: tuple[int, int]
) -> Iterator[tuple[str, Any, bool]]:
    """Yield (path, output, gradient) of the modules that run once, in the order of their ends."""
    watch = Outputs(model, until=tap.module)
    dry_run(model, size, watch, role=role, trains=role == 'student')
    return ((name, *runs[0]) for name, runs in watch.seen.items() if len(runs) == 1)


def _is_map(output: Any) -> bool:
    return isinstance(output, Tensor) and output.dim() == 4 and output.shape[2:].numel() > 1


def _as_map(output: Any, size: tuple[int, int]) -> Any:
    with suppress(ValueError):
        return tokens_to_map(output, size) if getattr(output, 'ndim', 0) == 3 else output
    return None


def tap_with_gradient(model: nn.Module, tap: Tap, size: tuple[int, int]) -> str | None:
    """Name the first module after a student's tap, not deeper than it, whose map has a gradient."""
    after = False
    for name, output, gradient in _outputs(model, tap, 'student', size):
        after = after or name == tap.module
        if after and gradient and _is_map(output) and name.count('.') <= tap.module.count('.'):
            return name
    return None


def tap_with_map(
    model: nn.Module, tap: Tap, feature: Tensor, role: str, size: tuple[int, int]
) -> str | None:
    """Name a tap that gives a map: of the same tokens, else of what ends last inside the module."""
    if _is_map(_as_map(feature, size)):
        return f'{tap.path}:map'
    for name, output, _ in reversed(list(_outputs(model, tap, role, size))):
        if name.startswith(f'{tap.module}.') and _is_map(_as_map(output, size)):
            return name if _is_map(output) else f'{name}:map'
    return None

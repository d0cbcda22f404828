"""Take features out of a compiled model, by hooks that stay."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from .taps import Tap


class KeptCapture:
    """Collect the features of taps whenever the model runs between :meth:`start` and :meth:`take`.

    ``torch.compile`` traces the hooks that it finds. Hooks of one forward, as
    :class:`ickd_mm.features.taps.Capture` uses, would be traced anew in every step; these stay. A
    dry run has shown that every tap runs, and how often.

    Args:
        model: the model.
        taps: what to take from it.
        role: 'student' or 'teacher', for messages.
        copies: taps whose feature the model changes in place afterwards; these are cloned.

    Raises:
        KeyError: for a path that the model does not have.
    """

    def __init__(
        self, model: nn.Module, taps: Iterable[Tap], role: str, copies: frozenset[Tap] = frozenset()
    ) -> None:
        self._role, self._on, self._size = role, False, (1, 1)
        self._taps = list(dict.fromkeys(taps))
        self._seen: dict[str, Tensor] = {}
        self._runs: dict[str, int] = {}
        for tap in self._taps:
            module, copied = tap.find(model, role), tap in copies
            if tap.input:
                note = functools.partial(self._note_input, tap, copied)
                module.register_forward_pre_hook(note, with_kwargs=True)
            else:
                module.register_forward_hook(functools.partial(self._note, tap, copied))

    def _note_input(
        self, tap: Tap, copied: bool, module: nn.Module, args: tuple, kwargs: dict
    ) -> None:
        values = (*args, *kwargs.values())
        self._note(tap, copied, module, args, values[0] if len(values) == 1 else values)

    def _note(self, tap: Tap, copied: bool, module: nn.Module, args: Any, value: Any) -> None:
        if not self._on:
            return
        self._runs[tap.path] = self._runs.get(tap.path, 0) + 1
        if tap.run in (None, self._runs[tap.path]):
            feature = tap.pick(value, self._role, self._size)
            self._seen[tap.path] = feature.clone() if copied else feature

    def start(self, images: Tensor) -> None:
        """Begin to collect; (N, C, H, W) ``images`` are what the model is going to see."""
        self._size, self._on = (images.shape[-2], images.shape[-1]), True

    def take(self) -> dict[str, Tensor]:
        """Return the features by the paths of their taps; keep none."""
        seen = {tap.path: self._seen[tap.path] for tap in self._taps}
        self._seen.clear()
        self._runs.clear()
        self._on = False
        return seen

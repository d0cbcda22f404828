"""Note what every module of a model gives during one forward."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn


class Outputs:
    """Notes every module's outputs, in the order in which they end, while it is entered.

    Args:
        model: the model that runs inside.
        until: path of the module that must have run; a run that fails after it is complete.

    Attributes:
        seen: path -> (output, whether it had a gradient when the module ended) of every run.
    """

    def __init__(self, model: nn.Module, until: str = '') -> None:
        self._model, self._until = model, until
        self.seen: dict[str, list[tuple[Any, bool]]] = {}

    def __enter__(self) -> Outputs:
        self.seen = {}
        self._handles = [
            module.register_forward_hook(partial(self._note, name))
            for name, module in self._model.named_modules()
            if name
        ]
        return self

    def _note(self, name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        gradient = isinstance(output, Tensor) and output.requires_grad  # may change afterwards
        self.seen.setdefault(name, []).append((output, gradient))

    def __exit__(self, *error: Any) -> None:
        for handle in self._handles:
            handle.remove()

    @property
    def complete(self) -> bool:
        """Whether the last module asked for has run."""
        return self._until in self.seen

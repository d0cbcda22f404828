"""Take features out of a running model by the path of the module that makes them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

_PATH = re.compile(r'^(?P<module>\w+(?:\.\w+)*)(?P<index>(?:\[-?\d+\])*)$')


@dataclass(frozen=True)
class Tap:
    """One feature: the output of a module, or one element of a tuple that it returns.

    Attributes:
        path: as written, ``backbone.layer4`` or ``backbone[3]``.
        module: the dotted module path alone.
        index: what is picked from the output, outermost first; empty for the output itself.
    """

    path: str
    module: str
    index: tuple[int, ...]

    @classmethod
    def parse(cls, path: str) -> Tap:
        """Read ``module.path[i]``.

        Raises:
            TypeError: if ``path`` is not a string.
            ValueError: if it is not a dotted path, with or without ``[i]`` after it.
        """
        if not isinstance(path, str):
            raise TypeError(f'a tap is a module path, got {path!r}')
        match = _PATH.match(path)
        if match is None:
            text = "is not a module path; write 'backbone.layer4' or 'backbone[3]'"
            raise ValueError(f'{path!r} {text}')
        index = tuple(int(i) for i in re.findall(r'-?\d+', match['index']))
        return cls(path, match['module'], index)

    def find(self, model: nn.Module, role: str) -> nn.Module:
        """Return the module of ``model`` that this tap names.

        Raises:
            KeyError: if there is none, with the nearest paths that exist.
        """
        try:
            return model.get_submodule(self.module)
        except AttributeError:
            modules = dict(model.named_modules())
            near = difflib.get_close_matches(self.module, modules, n=5, cutoff=0.5)
            near = near or [name for name, _ in model.named_children()]
            raise KeyError(
                f'the {role} ({type(model).__name__}) has no module {self.module!r}; '
                f'nearest: {", ".join(near)}'
            ) from None

    def pick(self, output: Any, role: str) -> Tensor:
        """Return the tensor that this tap means out of its module's output.

        Raises:
            ValueError: if that is not a tensor, with what it is and how to pick from it.
        """
        value, tap = output, f'{role} tap {self.path!r}'
        for i in self.index:
            if not isinstance(value, (tuple, list)) or not -len(value) <= i < len(value):
                raise ValueError(f'{tap}: cannot pick [{i}] from {_describe(value)}')
            value = value[i]
        if not isinstance(value, Tensor):
            hint = f'; pick with {self.path}[i]' if isinstance(value, (tuple, list)) else ''
            got = f'it gives {_describe(value)}{hint}'
            raise ValueError(f'{tap} must give an (N, C, H, W) tensor, {got}')
        return value


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f'a tensor {tuple(value.shape)}'
    if isinstance(value, (tuple, list)):
        return f'a {type(value).__name__} of {len(value)}: ' + ', '.join(map(_describe, value))
    return type(value).__name__


class _LastFeatureSeen(BaseException):
    """Ends a forward from within; no model's ``except Exception`` catches it."""


class Capture:
    """Collect the outputs of taps during one forward, as a context manager around it.

    Its hooks are removed at the end, even after an error.

    Args:
        model: the model that runs inside the context.
        taps: what to take from it.
        role: 'student' or 'teacher', for messages.
        stop: end the forward as soon as every tapped module has run.
        copies: taps whose output the model changes in place afterwards; these are cloned.

    Raises:
        KeyError: for a path that the model does not have.
        RuntimeError: at the end, if a tapped module did not run, or ran more than once.
        ValueError: if an output holds no tensor where the tap says.
    """

    def __init__(
        self,
        model: nn.Module,
        taps: Iterable[Tap],
        role: str,
        stop: bool = False,
        copies: frozenset[Tap] = frozenset(),
    ) -> None:
        self.role, self.stop, self.copies = role, stop, copies
        self._taps: dict[nn.Module, list[Tap]] = {}
        for tap in dict.fromkeys(taps):
            self._taps.setdefault(tap.find(model, role), []).append(tap)
        self._handles: list[Any] = []
        self._features: dict[Tap, tuple[Tensor, int | None]] = {}
        self._runs: dict[nn.Module, int] = {}

    def __enter__(self) -> Capture:
        self._features, self._runs = {}, dict.fromkeys(self._taps, 0)
        for module in self._taps:
            self._handles.append(module.register_forward_hook(self._record))
        return self

    def _record(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self._runs[module] += 1
        for tap in self._taps[module]:
            feature = tap.pick(output, self.role)
            feature = feature.clone() if tap in self.copies else feature
            version = None if feature.is_inference() else feature._version
            self._features[tap] = feature, version
        if self.stop and all(self._runs.values()):
            raise _LastFeatureSeen

    def __exit__(self, kind: type | None, error: BaseException | None, trace: Any) -> bool:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        if kind is not None and not issubclass(kind, _LastFeatureSeen):
            return False
        for module, runs in self._runs.items():
            if runs != 1:
                path = self._taps[module][0].path
                raise RuntimeError(
                    f'{self.role} tap {path!r} ran {runs} times in one forward, must be once; '
                    "tap a module that forward(mode='tensor') runs exactly once (auxiliary heads "
                    'it does not run)'
                )
        return kind is not None

    def changed(self) -> frozenset[Tap]:
        """Taps whose feature the model has changed in place since it was taken."""
        return frozenset(
            tap for tap, (x, v) in self._features.items() if v is not None and x._version != v
        )

    def __getitem__(self, tap: Tap) -> Tensor:
        """Return the feature of a tap, as its module made it."""
        return self._features[tap][0]

"""Take features out of a running model by the path of the module that makes them."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from .tokens import tokens_to_map

_PATH = re.compile(
    r'^(?P<module>\w+(?:\.\w+)*)(?:#(?P<run>[1-9]\d*))?(?P<input>:input)?'
    r'(?P<index>(?:\[-?\d+\])*)(?P<map>:map)?$'
)
_FORMS = (
    "'backbone.layer4'; 'backbone[3]' picks from a tuple, 'backbone.layer4:input' is what goes in, "
    "'decode_head.0.bottleneck#2' is its second run, 'backbone.layers.3:map' makes tokens a map"
)


class TapError(ValueError):
    """A tap does not name one tensor of the model that was run."""


@dataclass(frozen=True)
class Tap:
    """One feature: what a module gives or takes, or one element of it.

    Attributes:
        path: as written, ``backbone.layer4`` or ``decode_head.0.bottleneck#2:input``.
        module: the dotted module path alone.
        index: what is picked from the output, outermost first; empty for the output itself.
        run: which run of the module is meant, counted from 1; None where it runs once.
        input: the module's input is meant, as it comes in, instead of its output.
        map: the output is tokens (N, L, C), to be laid out as a map (N, C, H, W).
    """

    path: str
    module: str
    index: tuple[int, ...] = ()
    run: int | None = None
    input: bool = False
    map: bool = False

    @classmethod
    def parse(cls, path: str) -> Tap:
        """Read ``module.path``, with ``#run``, ``:input``, ``[i]`` and ``:map`` in this order.

        Raises:
            TypeError: if ``path`` is not a string.
            ValueError: if it is not a dotted path with these behind it.
        """
        if not isinstance(path, str):
            raise TypeError(f'a tap is a module path, got {path!r}')
        match = _PATH.match(path)
        if match is None:
            raise ValueError(f'{path!r} is not a module path; write {_FORMS}')
        index = tuple(int(i) for i in re.findall(r'-?\d+', match['index']))
        run = int(match['run']) if match['run'] else None
        return cls(path, match['module'], index, run, bool(match['input']), bool(match['map']))

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

    def pick(self, value: Any, role: str, size: tuple[int, int]) -> Tensor:
        """Return the tensor that this tap means out of what its module gave or took.

        ``size`` is the height and width of the images, which tokens are laid out by.

        Raises:
            TapError: if that is not a tensor, with what it is and how to pick from it.
        """
        tap = f'{role} tap {self.path!r}'
        for i in self.index:
            if not isinstance(value, (tuple, list)) or not -len(value) <= i < len(value):
                raise TapError(f'{tap}: cannot pick [{i}] from {_describe(value)}')
            value = value[i]
        if not isinstance(value, Tensor):
            hint = ''
            if isinstance(value, (tuple, list)):
                plain = self.path.removesuffix(':map')
                hint = f'; pick with {plain}[i], i from 0 to {len(value) - 1}'
            got = f'it gives {_describe(value)}{hint}'
            raise TapError(f'{tap} must give an (N, C, H, W) tensor, {got}')
        if not self.map:
            return value
        try:
            return tokens_to_map(value, size)
        except ValueError as error:
            raise TapError(f'{tap}: {error}') from error


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f'a tensor {tuple(value.shape)}'
    if isinstance(value, (tuple, list)):
        return f'a {type(value).__name__} of {len(value)}: ' + ', '.join(map(_describe, value))
    return type(value).__name__


class _Stop(BaseException):
    """Ends a forward from within; no model's ``except Exception`` catches it."""


class Capture:
    """Collect the features of taps during one forward, as a context manager around it.

    Its hooks are removed at the end, even after an error.

    Args:
        model: the model that runs inside the context.
        taps: what to take from it.
        role: 'student' or 'teacher', for messages.
        stop: end the forward as soon as every feature is there.
        copies: taps whose feature the model changes in place afterwards; these are cloned.

    Raises:
        KeyError: for a path that the model does not have.
        TapError: at the end, if a tapped module did not run, or ran more than once and the tap
            does not say which run; or if there is no tensor where the tap says.
    """

    def __init__(
        self,
        model: nn.Module,
        taps: Iterable[Tap],
        role: str,
        stop: bool = False,
        copies: frozenset[Tap] = frozenset(),
    ) -> None:
        self.model, self.role, self.stop, self.copies = model, role, stop, copies
        self._taps = {tap: tap.find(model, role) for tap in taps}
        self._handles: list[Any] = []
        self._features: dict[Tap, tuple[Tensor, int | None, bool]] = {}

    def __enter__(self) -> Capture:
        self._features, self._runs = {}, dict.fromkeys(self._taps, 0)
        self._fault: TapError | None = None
        hook = self.model.register_forward_pre_hook(self._note_size, with_kwargs=True)
        self._handles.append(hook)
        for tap, module in self._taps.items():
            if tap.input:
                note = functools.partial(self._record_input, tap)
                hook = module.register_forward_pre_hook(note, with_kwargs=True)
            else:
                hook = module.register_forward_hook(functools.partial(self._record_output, tap))
            self._handles.append(hook)
        return self

    def _note_size(self, model: nn.Module, args: tuple, kwargs: dict) -> None:
        images = next((x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)), None)
        self._size = (1, 1) if images is None else (images.shape[-2], images.shape[-1])

    def _record_input(self, tap: Tap, module: nn.Module, args: tuple, kwargs: dict) -> None:
        values = (*args, *kwargs.values())
        self._record(tap, values[0] if len(values) == 1 else values)

    def _record_output(self, tap: Tap, module: nn.Module, args: Any, output: Any) -> None:
        self._record(tap, output)

    def _record(self, tap: Tap, value: Any) -> None:
        self._runs[tap] += 1
        if tap.run in (None, self._runs[tap]):
            try:
                feature = tap.pick(value, self.role, self._size)
            except TapError as error:
                self._fault = error
                raise _Stop from error
            gradient = feature.requires_grad  # a checkpoint may set it afterwards
            feature = feature.clone() if tap in self.copies else feature
            version = None if feature.is_inference() else feature._version
            self._features[tap] = feature, version, gradient
        if self.stop and self.complete:
            raise _Stop

    def __exit__(self, kind: type | None, error: BaseException | None, trace: Any) -> bool:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        if kind is not None and not issubclass(kind, _Stop):
            return False
        if self._fault is not None:
            raise self._fault from None
        for tap, runs in self._runs.items():
            if tap not in self._features or (tap.run is None and runs > 1):
                raise TapError(f'{self.role} tap {tap.path!r} {self._remedy(tap, runs)}')
        return kind is not None

    def _remedy(self, tap: Tap, runs: int) -> str:
        """Say what a tap may be instead that does not name one run of its module."""
        mode = 'a training step' if self.role == 'student' else "forward(mode='tensor')"
        if not runs:
            return (
                f'did not run in {mode}, or its forward was called past its hooks; tap a module '
                'inside it, or one that runs (tools/inspect_model.py lists them)'
            )
        if tap.run is not None:
            return f'means run {tap.run}, its module runs {runs} times in {mode}'
        behind = tap.path[len(tap.module) :]
        first, last = (f'{tap.module}#{run}{behind}' for run in (1, runs))
        return (
            f'runs {runs} times in {mode}; say which run is meant: {first!r} is the first, '
            f'{last!r} the last'
        )

    @property
    def complete(self) -> bool:
        """Whether every feature has been seen, in this forward or the last."""
        return len(self._features) == len(self._taps)

    def changed(self) -> frozenset[Tap]:
        """Taps whose feature the model has changed in place since it was taken."""
        return frozenset(
            tap for tap, (x, v, _) in self._features.items() if v is not None and x._version != v
        )

    def check_unchanged(self) -> None:
        """Make sure that every feature is still what its module made.

        Raises:
            RuntimeError: naming the taps whose feature the model has changed in place.
        """
        if names := ', '.join(tap.path for tap in self.changed()):
            raise RuntimeError(
                f'the {self.role} changed {names} in place after it was taken; tap the module that '
                'changes it, or build that one with inplace=False'
            )

    def has_gradient(self, tap: Tap) -> bool:
        """Whether a loss on the feature reaches the model's weights."""
        return self._features[tap][2]

    def __getitem__(self, tap: Tap) -> Tensor:
        """Return the feature of a tap, as its module made it."""
        return self._features[tap][0]

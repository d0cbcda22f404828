"""One pair of features to match: its taps, its connector, its loss."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..features.taps import Tap
from ..registry import MODELS
from ..spelling import did_you_mean, refuse_unknown

KEYS = ('student', 'teacher', 'connector', 'loss')
CHANNELS = ('in_channels', 'out_channels')


@dataclass(frozen=True)
class PairConfig:
    """A pair as the config gives it, checked on its own.

    Attributes:
        name: the loss's name in the log.
        student: tap of the student.
        teacher: tap of the teacher.
        connector: config of the module on the student's side, or None.
        loss: config of the loss.
    """

    name: str
    student: Tap
    teacher: Tap
    connector: dict | None
    loss: dict

    @classmethod
    def read_all(cls, pairs: Any) -> list[PairConfig]:
        """Read the distiller's ``pairs``.

        Raises:
            TypeError: if ``pairs`` or one of them is not a dict.
            ValueError: if there is none, or a name does not start with 'loss'.
            KeyError: for a key that is unknown or missing.
        """
        if not isinstance(pairs, dict):
            raise TypeError(f'pairs must be a dict of name -> pair, got {type(pairs).__name__}')
        if not pairs:
            raise ValueError('pairs is empty: nothing would be distilled')
        return [cls._read(name, pair, pairs) for name, pair in pairs.items()]

    @classmethod
    def _read(cls, name: str, pair: Any, pairs: dict) -> PairConfig:
        where = f'pairs.{name}'
        if not isinstance(name, str) or not name.startswith('loss') or '.' in name:
            raise ValueError(
                f"{where}: a pair's name must start with 'loss' and hold no dot, so that mmengine "
                f"adds it to the total; rename it to 'loss_{str(name).replace('.', '_')}'"
            )
        if not isinstance(pair, dict):
            raise TypeError(f'{where} must be a dict with keys {KEYS}, got {type(pair).__name__}')
        refuse_unknown(pair, KEYS, where)
        for key in ('student', 'teacher', 'loss'):
            if pair.get(key) is None:
                others = [other for other in pairs if other != name]
                raise KeyError(f'{where}: {key!r} is missing{did_you_mean(name, others)}')
        for key in ('connector', 'loss'):
            cfg = pair.get(key)
            if cfg is not None and not (isinstance(cfg, dict) and 'type' in cfg):
                raise TypeError(f"{where}.{key} must be a dict with a 'type', got {cfg!r}")
        student, teacher = Tap.parse(pair['student']), Tap.parse(pair['teacher'])
        return cls(name, student, teacher, pair.get('connector'), pair['loss'])

    def build(self, student: Tensor, teacher: Tensor) -> Pair:
        """Build connector and loss for features of these shapes.

        Channel counts that the connector's config leaves out are taken from the features.

        Raises:
            ValueError: if a connector needs the channels of a feature that is not an (N, C, H, W)
                map, or a module refuses its arguments.
        """
        connector = None
        if self.connector is not None:
            connector = self._build('connector', self._with_channels(student, teacher))
        loss = self._build('loss', self.loss)
        return Pair(self.name, self.student, self.teacher, connector, loss)

    def _build(self, key: str, cfg: dict) -> nn.Module:
        try:
            module = MODELS.build(cfg)
        except (TypeError, ValueError, KeyError) as error:
            raise ValueError(f'pairs.{self.name}.{key}: {error}') from error
        if not isinstance(module, nn.Module):
            raise ValueError(f'pairs.{self.name}.{key}: {cfg["type"]!r} is not a torch module')
        return module

    def _with_channels(self, student: Tensor, teacher: Tensor) -> dict:
        cfg = dict(self.connector or {})
        kind: Any = cfg['type']
        if isinstance(kind, str):
            with MODELS.switch_scope_and_registry(cfg.get('_scope_')) as registry:  # as build does
                kind = registry.get(kind)
        if kind is None:
            return cfg
        accepts = inspect.signature(kind).parameters
        for key, tap, role, feature in zip(
            CHANNELS, (self.student, self.teacher), ('student', 'teacher'), (student, teacher)
        ):
            if key in accepts and cfg.get(key) is None:
                if feature.dim() != 4:
                    raise ValueError(
                        f'pairs.{self.name}: {role} tap {tap.path!r} must give an (N, C, H, W) '
                        f'tensor for {cfg["type"]}, it gives {tuple(feature.shape)}'
                    )
                cfg[key] = feature.shape[1]
        return cfg


@dataclass(frozen=True)
class Pair:
    """A pair ready to use: a :class:`PairConfig` with its connector and loss built."""

    name: str
    student: Tap
    teacher: Tap
    connector: nn.Module | None
    loss: nn.Module

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the pair's loss, a scalar.

        Raises:
            ValueError: naming the pair, both taps and shapes, where connector or loss refuses them.
        """
        try:
            connected = student if self.connector is None else self.connector(student)
            return self.loss(connected, teacher)
        except ValueError as error:
            raise ValueError(
                f'pairs.{self.name}: student {self.student.path!r} {tuple(student.shape)}, teacher '
                f'{self.teacher.path!r} {tuple(teacher.shape)}: {error}'
            ) from error

    def zero_loss(self, student: Tensor) -> Tensor:
        """Return a loss of 0 that depends on every parameter this pair trains, as DDP needs."""
        modules = [module for module in (self.connector, self.loss) if module is not None]
        trained = [p for module in modules for p in module.parameters() if p.requires_grad]
        return sum((0 * p.float().sum() for p in trained), 0 * student.float().sum())

    def init_weights(self) -> None:
        """Initialise connector and loss as mmengine modules initialise themselves."""
        for module in (self.connector, self.loss):
            if module is not None:
                _init_weights(module)

    def describe(self, student: Sequence[int], teacher: Sequence[int]) -> str:
        """One line for the log: both taps, their shapes, what is between them."""
        between = f' -> {type(self.connector).__name__}' if self.connector is not None else ''
        return (
            f'{self.name}: student {self.student.path} {shape_text(student[1:])}{between} | '
            f'teacher {self.teacher.path} {shape_text(teacher[1:])} | {self.loss}'
        )


def _init_weights(module: Any) -> None:
    if hasattr(module, 'init_weights'):
        module.init_weights()
        return
    for child in module.children():
        _init_weights(child)


def shape_text(shape: Sequence[int]) -> str:
    """Return '(N, C, H, W)' with the numbers of a shape that leaves N out."""
    return '(' + ', '.join(['N', *map(str, shape)]) + ')'

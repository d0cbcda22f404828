"""One pair of features to match: its taps, its connector, its loss."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from ..features.alternatives import tap_with_gradient, tap_with_map
from ..features.taps import Capture, Tap
from ..randomness import preserved_randomness
from ..registry import MODELS
from ..spelling import refuse_unknown

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
        return [cls._read(name, pair) for name, pair in pairs.items()]

    @classmethod
    def _read(cls, name: str, pair: Any) -> PairConfig:
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
                raise KeyError(f'{where}: {key!r} is missing')
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
        """Return the pair's loss, a scalar."""
        if self.connector is not None:
            student = self.connector(student)
        return self.loss(student, teacher)

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

    def describe(self, student: Tensor, teacher: Tensor) -> str:
        """One line for the log: both taps, their shapes, what is between them."""
        between = f' -> {type(self.connector).__name__}' if self.connector is not None else ''
        return (
            f'{self.name}: student {self.student.path} {shape_text(student.shape[1:])}{between} | '
            f'teacher {self.teacher.path} {shape_text(teacher.shape[1:])} | {self.loss}'
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


def check_gradient(
    student: BaseModel, config: PairConfig, features: Capture, size: tuple[int, int]
) -> None:
    """Make sure that a pair's loss can reach the student.

    Raises:
        ValueError: if the feature carries no gradient, with the next tap that does.
    """
    if features.has_gradient(config.student):
        return
    other = tap_with_gradient(student, config.student, size)
    remedy = f'tap {other!r}, or train what is before it' if other else 'tap a part that is trained'
    raise ValueError(
        f'pairs.{config.name}.student={config.student.path!r} carries no gradient: it is in frozen '
        f'stages, or inside a reentrant activation checkpoint (with_cp); {remedy}'
    )


def check_checkpointing(pairs: dict, modules: Any) -> None:
    """Make sure that no student tap is inside what ``activation_checkpointing`` names.

    mmengine checkpoints there without recording what happens inside.

    Raises:
        ValueError: naming the pair, its tap, and what to tap.
    """
    for module in [modules] if isinstance(modules, str) else modules or ():
        for config in PairConfig.read_all(pairs):
            if config.student.module.startswith(f'{module}.'):
                raise ValueError(
                    f'pairs.{config.name}.student={config.student.path!r} carries no gradient: '
                    f"it is inside activation_checkpointing='{module}'; tap {module!r}"
                )


def build_pair(
    config: PairConfig, features: tuple[Tensor, Tensor], models: tuple, size: tuple[int, int]
) -> Pair:
    """Build a pair for the features of student and teacher, and try it.

    Args:
        config: the pair.
        features: of the student and of the teacher.
        models: the student and the teacher.
        size: height and width of the images that give these features.

    Raises:
        ValueError: see :meth:`PairConfig.build` and :func:`validate_pair`; where a feature is not
            a map, with a tap that gives one.
    """
    try:
        pair = config.build(*features)
        validate_pair(pair, *features, size)
    except ValueError as error:
        hints = []
        for role, feature, model in zip(('student', 'teacher'), features, models):
            tap: Tap = getattr(config, role)
            if feature.dim() != 4:
                other = tap_with_map(model, tap, feature, role, size)
                hints += [f'; pairs.{config.name}.{role}={other!r} gives a map'] if other else []
        raise ValueError(f'{error}{"".join(hints)}') from error
    return pair


def validate_pair(
    pair: Pair,
    student: Tensor,
    teacher: Tensor,
    size: tuple[int, int],
    source: str = 'model.input_size sets another size',
) -> None:
    """Run a copy of a pair once on random features of the shapes of these two.

    ``size``, height and width of the images that give these shapes, and ``source``, what says so,
    are for messages.

    Raises:
        ValueError: naming the pair, both taps and shapes, if connector or loss refuses them or
            the loss is not a scalar.
    """
    try:
        with preserved_randomness(), torch.no_grad():
            made = (torch.randn(x.shape, device=x.device) for x in (student, teacher))
            loss: Any = copy.deepcopy(pair)(*made)
    except Exception as error:
        raise ValueError(
            f'pairs.{pair.name}: student {pair.student.path!r} {tuple(student.shape)} and teacher '
            f'{pair.teacher.path!r} {tuple(teacher.shape)} do not go together: {error}; these are '
            f'the shapes for images of {size[0]}x{size[1]}, {source}'
        ) from error
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        got = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        raise ValueError(f'pairs.{pair.name}.loss must give one number, it gives {got}')

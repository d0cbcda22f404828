"""Inspect what a config trains: one model, or a student, a teacher and their pairs."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from ..distillers.image_size import image_size
from ..distillers.pairs import Pair, PairConfig
from ..distillers.probe import Probe, preserved_randomness, rehearse, training_size
from ..distillers.sources import ModelSource
from ..registry import is_distiller
from .survey import Survey, survey


@dataclass(frozen=True)
class Match:
    """One pair as it will be trained; shapes are those of a batch of N images, without N.

    Attributes:
        name: the pair's name.
        student: the student's tap.
        student_shape: shape that it gives.
        connector: class of the connector, or empty.
        connected_shape: shape behind the connector.
        parameters: parameters of the connector.
        teacher: the teacher's tap.
        teacher_shape: shape that it gives.
        loss: the loss, as it prints itself.
    """

    name: str
    student: str
    student_shape: tuple[int, ...]
    connector: str
    connected_shape: tuple[int, ...]
    parameters: int
    teacher: str
    teacher_shape: tuple[int, ...]
    loss: str


@dataclass(frozen=True)
class Inspection:
    """What a config trains.

    Attributes:
        models: 'model', or 'student' and 'teacher', to what was seen of it.
        matches: the pairs of a distiller.
        weights: what is to be said of the teacher's weights; empty without a teacher.
    """

    models: dict[str, Survey]
    matches: list[Match] = field(default_factory=list)
    weights: str = ''


def inspect_config(cfg: Config, size: tuple[int, int] | None = None) -> Inspection:
    """Build the models of a config with random weights and look at them; nothing is loaded.

    Args:
        cfg: any mmseg or mmpretrain config, distilled or not.
        size: height and width of the images; by default the distiller's ``input_size``, the
            size that the student's preprocessor pads to, that of the crop in the training
            pipeline, or 224×224.

    Raises:
        KeyError, ValueError, TypeError, RuntimeError, FileNotFoundError: as training the config
            would, naming the key.
    """
    if not isinstance(cfg.get('model'), dict):
        raise ValueError('the config holds no model dict')
    init_default_scope(cfg.get('default_scope') or 'mmengine')
    shared = cfg.get('data_preprocessor')
    if not is_distiller(cfg.model):
        model = _source(cfg.model, 'model', shared).build('model')
        return Inspection({'model': survey(model, size or _size(cfg, model))})
    configs = PairConfig.read_all(cfg.model.get('pairs'))
    shared = cfg.model.get('data_preprocessor', shared)
    ours = _source(cfg.model.get('student'), 'student', shared)
    shared = ours.cfg.get('data_preprocessor')
    theirs = _source(cfg.model.get('teacher'), 'teacher', shared)
    student, teacher = ours.build('student'), theirs.build('teacher')
    size = size or _size(cfg, student)
    features = (
        Probe(student, [c.student for c in configs], 'student', size),
        Probe(teacher, [c.teacher for c in configs], 'teacher', size),
    )
    matches = [_match(c, features[0][c.student], features[1][c.teacher], size) for c in configs]
    models = {'student': survey(student, size), 'teacher': survey(teacher, size)}
    return Inspection(models, matches, describe_weights(cfg.model.get('teacher_ckpt')))


def _source(spec: Any, key: str, preprocessor: dict | None) -> ModelSource:
    """Read a model; one without a preprocessor of its own gets the one given."""
    source = ModelSource.read(spec, key)
    if preprocessor is not None:
        source.cfg.setdefault('data_preprocessor', ConfigDict(copy.deepcopy(preprocessor)))
    return source


def _size(cfg: Config, model: BaseModel) -> tuple[int, int]:
    given = cfg.model.get('input_size')
    if given is None:
        try:
            return image_size(cfg)
        except ValueError:
            pass  # the config does not say
    return training_size(model, given)


def _match(config: PairConfig, student: Tensor, teacher: Tensor, size: tuple[int, int]) -> Match:
    with preserved_randomness():
        pair = config.build(student, teacher)
        rehearse(pair, student, teacher, size)
        connected = _connect(pair, student)
    connector: nn.Module | None = pair.connector
    return Match(
        config.name,
        config.student.path,
        tuple(student.shape[1:]),
        type(connector).__name__ if connector is not None else '',
        connected,
        sum(p.numel() for p in connector.parameters()) if connector is not None else 0,
        config.teacher.path,
        tuple(teacher.shape[1:]),
        str(pair.loss),
    )


@torch.no_grad()
def _connect(pair: Pair, student: Tensor) -> tuple[int, ...]:
    if pair.connector is None:
        return tuple(student.shape[1:])
    return tuple(pair.connector(torch.randn(student.shape)).shape[1:])


def describe_weights(ckpt: Any) -> str:
    """Say that the teacher's weights were not looked at, and whether a path leads anywhere."""
    missing = ''
    if ckpt is None:
        missing = ' (missing: training needs a path, a URL or zoo)'
    elif ckpt != 'zoo' and '://' not in str(ckpt) and not os.path.isfile(ckpt):
        missing = ' (no such file yet)'
    return f'weights were not looked at: teacher_ckpt = {ckpt!r}{missing}'

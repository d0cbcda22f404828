"""Inspect what a config trains: one model, or a student, a teacher and their pairs."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from ...distillers.pairs import Pair, PairConfig
from ...distillers.trial import build_pair
from ...features.dry_run import dry_run_features
from ...preflight.image_size import config_image_size
from ...preflight.model_source import read_student, read_teacher
from ...randomness import preserved_randomness
from ...registry import is_distiller
from ...teachers.options import TeacherOptions
from .inspect_model import ModelReport, inspect_model


@dataclass(frozen=True)
class Match:
    """One pair as it will be trained: its taps, connector and loss as text.

    Shapes are those of a batch of N images, without N; ``parameters`` counts the connector's.
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
        models: 'model', or 'student' and 'teacher' -> what was found out about it.
        matches: the pairs of a distiller.
        weights: a note on the teacher's weights; empty without a teacher.
        size_source: what says how large the images are.
    """

    models: dict[str, ModelReport]
    matches: list[Match] = field(default_factory=list)
    weights: str = ''
    size_source: str = ''


def inspect_config(cfg: Config, size: tuple[int, int] | None = None) -> Inspection:
    """Build the models of a config with random weights and look at them; nothing is loaded.

    Args:
        cfg: any config of mmseg, mmpretrain or mmdet, distilled or not.
        size: height and width of the images; by default as the config says.

    Raises:
        KeyError, ValueError, TypeError, RuntimeError, FileNotFoundError: as training the config
            would, naming the key.
    """
    if not isinstance(cfg.get('model'), dict):
        raise ValueError('the config holds no model dict')
    init_default_scope(cfg.get('default_scope') or 'mmengine')
    size, source = (size, '--shape') if size else config_image_size(cfg)
    origin = read_student(cfg.model, cfg.get('data_preprocessor'))
    if not is_distiller(cfg.model):
        report = inspect_model(origin.build('model'), size)
        return Inspection({'model': report}, size_source=source)
    configs = PairConfig.read_all(cfg.model.get('pairs'))
    student = origin.build('student')
    teacher = read_teacher(cfg.model, origin).build('teacher')
    labelled = cfg.model.get('supervised', True) is not False
    ours = dry_run_features(student, [c.student for c in configs], 'student', size, labelled)
    teacher_size = TeacherOptions.read(cfg.model.get('teacher_run')).image_size(size)
    theirs = dry_run_features(teacher, [c.teacher for c in configs], 'teacher', teacher_size)
    with preserved_randomness(), torch.no_grad():
        pairs = [build_pair(config, ours, theirs, size) for config in configs]
        matches = [_match(p, ours[p.student], theirs[p.teacher]) for p in pairs]
    models = {'student': inspect_model(student, size, labelled=labelled)}
    models['teacher'] = inspect_model(teacher, teacher_size, trains=False)
    weights = describe_weights(cfg.model.get('teacher_ckpt'))
    return Inspection(models, matches, weights, source)


def _match(pair: Pair, student: Tensor, teacher: Tensor) -> Match:
    connector = nn.Identity() if pair.connector is None else pair.connector
    connected = connector(torch.randn(student.shape))
    return Match(
        pair.name,
        pair.student.path,
        tuple(student.shape[1:]),
        '' if pair.connector is None else type(connector).__name__,
        tuple(connected.shape[1:]),
        sum(p.numel() for p in connector.parameters()),
        pair.teacher.path,
        tuple(teacher.shape[1:]),
        str(pair.loss),
    )


def describe_weights(ckpt: Any) -> str:
    """Say that the teacher's weights were not looked at, and whether their file exists."""
    missing = ''
    if ckpt is None:
        missing = ' (missing: training needs a path, a URL or zoo)'
    elif ckpt != 'zoo' and '://' not in str(ckpt) and not os.path.isfile(ckpt):
        missing = ' (no such file yet)'
    return f'weights were not looked at: teacher_ckpt = {ckpt!r}{missing}'

"""What a config means by 'the student' and 'the teacher': read it, find its weights, build it."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope

from ..registry import MODELS, is_distiller, type_name


def read_config(spec: str, key: str) -> Config:
    """Read a config file's path or ``package::path``.

    Raises:
        FileNotFoundError: if there is no such config, naming ``key``.
    """
    if '::' in spec:
        try:
            return get_config(spec)
        except (AssertionError, ImportError, OSError, ValueError) as error:
            raise FileNotFoundError(f'{key}: no config {spec!r}: {error}') from error
    if not os.path.isfile(spec):
        raise FileNotFoundError(f'{key}: no config file {spec!r} (looked in {os.getcwd()})')
    return Config.fromfile(spec)


@dataclass(frozen=True)
class ModelSource:
    """A model dict, and the file or ``package::path`` that it was read from, or ''."""

    cfg: ConfigDict
    origin: str

    @classmethod
    def read(cls, spec: Any, key: str) -> ModelSource:
        """Read a model dict, a config file's path, or ``package::path``.

        Args:
            spec: what the config holds under ``key``.
            key: 'student' or 'teacher', for messages.

        Raises:
            TypeError: if ``spec`` is of another type, or the model is a distiller itself.
            FileNotFoundError: if the config file does not exist.
            ValueError: if the config file holds no model.
        """
        if isinstance(spec, dict):
            # A copy: models change what they are built from. Lazy types in it stay lazy.
            given = spec if isinstance(spec, ConfigDict) else ConfigDict(spec)
            source = cls(copy.deepcopy(given), '')
        elif isinstance(spec, (str, os.PathLike)):
            source = cls._from_file(os.fspath(spec), key)
        else:
            wanted = 'a model dict, a config file or package::path'
            raise TypeError(f'{key} must be {wanted}, got {type(spec).__name__}')
        if source.cfg.get('type') is None:
            raise ValueError(f'{key}: the model dict has no type, got keys {sorted(source.cfg)}')
        if is_distiller(source.cfg):
            raise TypeError(f'{key} is a distiller itself; give the plain model that it trains')
        return source

    @classmethod
    def _from_file(cls, spec: str, key: str) -> ModelSource:
        cfg = read_config(spec, key)
        if not isinstance(cfg.get('model'), dict):
            raise ValueError(f'{key}: config {spec!r} holds no model dict')
        model = cfg.model
        if cfg.get('data_preprocessor') is not None:
            model.setdefault('data_preprocessor', cfg.data_preprocessor)
        package = spec.partition('::')[0] if '::' in spec else None
        scope = cfg.get('default_scope') or package  # a package's config may leave its own out
        if scope:
            model.setdefault('_scope_', scope)
        return cls(model, spec)

    def scope(self, default: str | None = None) -> str | None:
        """Return the scope that names in the model's dict are looked up in.

        ``default`` is that of the config, where it is not mmengine's current one.
        """
        current = DefaultScope.get_current_instance()
        around = default or (current.scope_name if current else None)
        return self.cfg.get('_scope_') or around

    def library(self, default: str | None = None) -> str | None:
        """Return the package of the dict's own type: that of a class, a prefix, or the scope."""
        kind: Any = self.cfg.type
        if not isinstance(kind, str):
            return kind.__module__.partition('.')[0]
        return kind.rpartition('.')[0] or self.scope(default)

    def is_backbone(self, default: str | None = None) -> bool:
        """Tell whether the dict builds a module that is not a whole model; see :meth:`scope`."""
        kind: Any = self.cfg.type
        if isinstance(kind, str):
            with MODELS.switch_scope_and_registry(self.scope(default)) as registry:
                kind = registry.get(kind)
        return isinstance(kind, type) and not issubclass(kind, BaseModel)

    def build(self, key: str) -> BaseModel:
        """Build the model, weights as its constructor leaves them.

        Raises:
            TypeError: if the config does not build an mmengine model.
            ValueError: if its package refuses the config.
        """
        try:
            model = MODELS.build(self.cfg)
        except (AssertionError, KeyError, TypeError, ValueError) as error:
            text = f'{key}: cannot build {self.cfg.type}: {error}'
            raise ValueError(f'{text}{self._scope_hint()}') from error
        if not isinstance(model, BaseModel):
            raise TypeError(f'{key} must be an mmengine BaseModel, got {type(model).__name__}')
        return model

    def _scope_hint(self) -> str:
        """Say in which scope the names inside are looked up, if the type has another as prefix."""
        kind, scope = self.cfg.type, self.scope()
        library = kind.rpartition('.')[0] if isinstance(kind, str) else ''
        if library in ('', 'ickd_mm', scope) or MODELS.get(kind) is None:
            return ''
        return f'; names inside it are looked up in scope {scope!r}: set _scope_={library!r} in it'


def read_student(model: Mapping[str, Any], data_preprocessor: dict | None = None) -> ModelSource:
    """Read the student of a distiller's config, or a plain model, which is its own student.

    One without a preprocessor gets the distiller's, else ``data_preprocessor``, the one beside the
    model in the config. Neither is changed.

    Raises:
        TypeError, ValueError, FileNotFoundError: see :meth:`ModelSource.read`.
    """
    distils = is_distiller(model)
    source = ModelSource.read(model.get('student') if distils else model, 'student')
    shared = (model.get('data_preprocessor') if distils else None) or data_preprocessor
    if shared is not None:
        source.cfg.setdefault('data_preprocessor', copy.deepcopy(shared))
    return source


def _shared_preprocessor(student: ModelSource, scope: str | None, elsewhere: bool) -> dict | None:
    """Return a copy of the student's preprocessor, for a model ``elsewhere`` or of its library."""
    shared = copy.deepcopy(student.cfg.get('data_preprocessor'))
    if shared is not None and elsewhere:
        # mmpretrain's models alone take one without a type, and mean this.
        shared.setdefault('type', 'mmpretrain.ClsDataPreprocessor')
        if student.scope(scope):
            shared.setdefault('_scope_', student.scope(scope))
    return shared


def read_teacher(
    model: Mapping[str, Any], student: ModelSource, scope: str | None = None
) -> ModelSource:
    """Read the teacher of a distiller's config, which is not changed.

    A teacher that is a dict without a preprocessor gets that of ``student``, and so does a
    backbone alone, which is wrapped in a :class:`ickd_mm.teachers.backbone.BackboneTeacher`.

    Args:
        model: the distiller's config.
        student: its student.
        scope: the config's ``default_scope``, where it is not mmengine's current one.

    Raises:
        ValueError: if the config has no teacher.
        TypeError, ValueError, FileNotFoundError: see :meth:`ModelSource.read`.
    """
    if not is_distiller(model):
        raise ValueError(f'the config has no teacher: its model is {type_name(model)}')
    source = ModelSource.read(model.get('teacher'), 'teacher')
    alone = source.is_backbone(scope)
    elsewhere = alone or source.library(scope) != student.library(scope)
    shared = _shared_preprocessor(student, scope, elsewhere)
    if alone:
        own = source.cfg.pop('data_preprocessor', None)
        if own is not None:
            own.setdefault('type', 'mmengine.ImgDataPreprocessor')
        wrapper = dict(type='ickd_mm.BackboneTeacher', backbone=source.cfg)
        wrapper['data_preprocessor'] = own or shared
        return ModelSource(ConfigDict(wrapper), source.origin)
    if not source.origin and shared is not None:
        source.cfg.setdefault('data_preprocessor', shared)
    return source


def student_config(model: ConfigDict, data_preprocessor: dict | None = None) -> ConfigDict:
    """Return the plain student's config; see :func:`read_student`."""
    return read_student(model, data_preprocessor).cfg


def teacher_config(
    model: ConfigDict, data_preprocessor: dict | None = None, scope: str | None = None
) -> tuple[ConfigDict, str]:
    """Return the plain teacher's config, and the path or URL of its weights.

    Arguments are those of :func:`read_student` and :func:`read_teacher`.
    """
    teacher = read_teacher(model, read_student(model, data_preprocessor), scope)
    return teacher.cfg, locate_weights(model.get('teacher_ckpt'), teacher.origin)


def locate_weights(ckpt: str | os.PathLike | None, origin: str) -> str:
    """Return the path or URL that ``teacher_ckpt`` means.

    Args:
        ckpt: a path, a URL, or 'zoo' for what the teacher's package lists.
        origin: where the teacher's config was read; 'zoo' needs ``package::path``.

    Raises:
        TypeError: if ``ckpt`` is not a string or path.
        FileNotFoundError: if the file does not exist.
        ValueError: if 'zoo' is asked for and no weights are listed for the config.
    """
    if not isinstance(ckpt, (str, os.PathLike)) or not os.fspath(ckpt):
        raise TypeError(
            f"teacher_ckpt must be a path, a URL or 'zoo', got {ckpt!r}; "
            'a teacher without weights teaches nothing'
        )
    ckpt = os.fspath(ckpt)
    if ckpt == 'zoo':
        if '::' not in origin:
            got = f'got {origin or "a model dict"!r}; give a path or URL'
            raise ValueError(f"teacher_ckpt='zoo' needs teacher='package::path', {got}")
        try:
            return get_config(origin, pretrained=True).model_path
        except (AttributeError, AssertionError, ValueError) as error:
            raise ValueError(f'no weights are listed for {origin!r}; give a path or URL') from error
    if not re.match(r'^\S+://', ckpt) and not os.path.isfile(ckpt):
        raise FileNotFoundError(
            f'teacher_ckpt {ckpt!r} does not exist (looked in {os.getcwd()}); without a teacher, '
            'a trained student runs from its own config, which export_student.py --config writes'
        )
    return ckpt

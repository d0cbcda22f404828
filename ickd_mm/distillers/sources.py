"""Find out what a config means by 'the student' and 'the teacher', and build it."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config
from mmengine.model import BaseModel

from ..registry import MODELS, is_distiller


def read_config(spec: str, key: str) -> Config:
    """Read a config file's path or ``package::path``.

    Raises:
        FileNotFoundError: if there is no such config, naming ``key``.
    """
    if '::' in spec:
        try:
            return get_config(spec)
        except (AssertionError, ModuleNotFoundError, FileNotFoundError, OSError) as error:
            raise FileNotFoundError(f'{key}: no config {spec!r}: {error}') from error
    if not os.path.isfile(spec):
        raise FileNotFoundError(f'{key}: no config file {spec!r} (looked in {os.getcwd()})')
    return Config.fromfile(spec)


@dataclass(frozen=True)
class ModelSource:
    """A model's config and where it was read.

    Attributes:
        cfg: the model dict, with ``_scope_`` where a config file names one.
        origin: the file or ``package::path``; empty for a dict in the config itself.
    """

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
            source = cls(
                ConfigDict(copy.deepcopy(dict(spec))), ''
            )  # models change what they are built of
        elif isinstance(spec, (str, os.PathLike)):
            source = cls._from_file(os.fspath(spec), key)
        else:
            raise TypeError(
                f'{key} must be a model dict, a config file or package::path, got '
                f'{type(spec).__name__}'
            )
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
        if cfg.get('default_scope'):
            model.setdefault('_scope_', cfg.default_scope)
        return cls(model, spec)

    def build(self, key: str) -> BaseModel:
        """Build the model, weights as its constructor leaves them.

        Raises:
            TypeError: if what the config builds is no mmengine model.
            ValueError: if its package refuses the config.
        """
        try:
            model = MODELS.build(self.cfg)
        except (AssertionError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f'{key}: cannot build {self.cfg.type}: {error}') from error
        if not isinstance(model, BaseModel):
            raise TypeError(f'{key} must be an mmengine BaseModel, got {type(model).__name__}')
        return model

"""The digest in the name of a run's folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import mmengine
import torch
from mmengine.config import Config

from ...preflight.model_source import read_config
from ...registry import is_distiller
from ...version import __version__


def digest_of(cfg: Config) -> str:
    """Return a digest of what a run's result depends on, except the seed.

    It covers the values of the resolved config (varied ones included), the content of every file
    that they name (the teacher's weights; a student's or teacher's config by its own resolved
    values), and the versions of torch, mmengine and this package. So a comment, the order of
    keys or the spelling of a path do not make another run, but new weights under an old name do.

    It leaves out ``work_dir``, the images in a data folder, the file behind a URL or ``'zoo'``,
    and the machine: after a change in one of these use another ``--work-dir``.

    Raises:
        FileNotFoundError: if the student's or the teacher's config does not exist.
    """
    values = cfg.to_dict()
    values.pop('work_dir', None)
    values['randomness'] = {k: v for k, v in (cfg.get('randomness') or {}).items() if k != 'seed'}
    for key in ('student', 'teacher') if is_distiller(cfg.get('model')) else ():
        if isinstance(named := values['model'].get(key), str):
            values['model'][key] = read_config(named, key).to_dict()
    return digest([values, torch.__version__, mmengine.__version__, __version__])


def digest(value: Any) -> str:
    """Short digest of nested values; lists and tuples count as equal, a file by its content."""
    return hashlib.sha256(repr(_canonical(value)).encode()).hexdigest()[:8]


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):  # sorted as text: keys need not be of one type
        return ['dict', *sorted([repr(key), _canonical(item)] for key, item in value.items())]
    if isinstance(value, (list, tuple)):
        return [_canonical(item) for item in value]
    if isinstance(value, str) and os.path.isfile(value):
        return hashlib.sha256(Path(value).read_bytes()).hexdigest()
    return repr(value)

"""The configs in ``configs/``, each read once."""

import copy
import functools
from importlib.util import find_spec
from unittest import mock

import mmengine.config.utils as config_utils
from mmengine.config import Config

import ickd_mm  # noqa: F401
from support.repository import REPO

ROOT = REPO / 'configs'
EVERY = sorted(file for file in ROOT.rglob('*.py') if '_base_' not in file.parts)
BY_NAME = {file.stem: file for file in EVERY}
# mmdet is not in the stack openmmlab: its recipes can be read on the other one alone.
FILES = [f for f in EVERY if find_spec('mmdet') or 'mmdet::' not in f.read_text(encoding='utf-8')]


def name(file):
    return file.relative_to(ROOT).with_suffix('').as_posix()


# mmengine parses a package's metafiles anew for every config that it inherits from there.
read_once = functools.cache(config_utils.load)


@functools.cache
def _read(file):
    with mock.patch.object(config_utils, 'load', read_once):
        return Config.fromfile(file)


def recipe(file):
    """A copy of a config, given as a file or by its name."""
    return copy.deepcopy(_read(BY_NAME[file] if isinstance(file, str) else file))

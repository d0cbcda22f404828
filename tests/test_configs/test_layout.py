"""The layout of ``configs/``: flat folders, one name for one file, short chains of inheritance."""

import ast
import functools
import inspect
from dataclasses import fields
from pathlib import Path
from unittest import mock

import mmengine.config.utils as config_utils
import pytest
from mmengine.config import Config
from support.recipes import FILES, ROOT, name, read_once

from ickd_mm import FeatureDistiller, ICKDLoss
from ickd_mm.teachers.options import TeacherOptions

FOLDERS = ('ickd', 'baselines', 'comparison')
EVERY = sorted(ROOT.rglob('*.py'))


@functools.cache
def chains(file):
    """Every chain of files from a config to a base that inherits nothing, or is a package's."""
    if ROOT not in Path(file).resolve().parents:
        return [[file]]
    with mock.patch.object(config_utils, 'load', read_once):
        names = Config._get_base_files(str(file))
        bases = [Config._get_cfg_path(name, str(file))[0] for name in names]
    return [[file, *chain] for base in bases for chain in chains(base)] or [[file]]


def test_three_flat_folders_and_their_parts():
    assert {path.name for path in ROOT.iterdir()} == {'_base_', *FOLDERS}
    parts = {path.name for path in (ROOT / '_base_').iterdir()}
    assert parts == {'models', 'datasets', 'schedules', 'distillers', 'default_runtime.py'}
    for folder in FOLDERS:
        others = {path.name for path in (ROOT / folder).iterdir() if path.suffix != '.py'}
        assert others - {'__pycache__'} == {'README.md', 'metafile.yml'}


def test_no_name_stands_twice():
    """`mim` finds a config by its file's name, and refuses two."""
    names = [file.name for file in EVERY]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize('file', FILES, ids=name)
def test_inheritance_is_at_most_three_deep(file):
    deepest = max(chains(file), key=len)
    assert len(deepest) - 1 <= 3, deepest


def test_no_baseline_inherits_another():
    """So no student inherits its teacher: what they share lies in ``_base_``."""
    for file in (file for file in FILES if file.parent.name == 'baselines'):
        for base in {base for chain in chains(file) for base in chain[1:]}:
            assert f'{ROOT}/' not in str(base) or '_base_' in str(base), (file, base)


def test_the_distiller_alone_deletes_what_is_inherited():
    for file in EVERY:
        for call in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
            keys = {k.arg: k.value for k in getattr(call, 'keywords', ())}
            if '_delete_' in keys:
                assert keys['type'].value == 'ickd_mm.FeatureDistiller', (file, call.lineno)


@pytest.mark.parametrize('folder', FOLDERS)
def test_a_readme_has_every_config_and_what_it_needs(folder):
    text = (ROOT / folder / 'README.md').read_text(encoding='utf-8')
    for file in (ROOT / folder).glob('*.py'):
        assert f']({file.name})' in text, file.name
    headings = [line[3:] for line in text.splitlines() if line.startswith('## ')]
    assert headings[0] == 'What it is'
    assert headings[1].startswith('Train')
    assert headings[2:] == ['Results', 'Citation']
    assert '@inproceedings{' in text
    assert 'python tools/train.py configs/' in text


def test_the_recipe_to_copy_shows_every_key():
    text = (ROOT / 'ickd/pspnet_r101_r18_voc.py').read_text(encoding='utf-8')
    model = Config.fromfile(ROOT / 'ickd/pspnet_r101_r18_voc.py').model
    takes = set(inspect.signature(FeatureDistiller.__init__).parameters) - {'self'}
    assert set(model) - {'type'} == takes - {'data_preprocessor'}  # the student has its own
    assert set(model.teacher_run) == {field.name for field in fields(TeacherOptions)}
    loss = set(inspect.signature(ICKDLoss).parameters)
    assert set(model.pairs.loss_icc) == {'student', 'teacher', 'connector', 'loss'}
    assert set(model.pairs.loss_icc.loss) - {'type'} == loss
    assert 'teacher_val' in text
    assert 'finite_check' in text

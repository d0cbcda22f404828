"""Recipes keep their library's scope, and the scope ``ickd_mm`` hands on to the one around it."""

import logging

import mmengine.registry
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, DefaultScope, Registry
from support.repository import ICKD, REPO

import ickd_mm  # noqa: F401

ROOTS = {key: root for key, root in vars(mmengine.registry).items() if isinstance(root, Registry)}
RECIPE = f'ickd_mm::{ICKD.relative_to(REPO / "configs")}'
PART = 'ickd_mm::_base_/datasets/digits_voc.py'


@pytest.fixture
def warnings(monkeypatch):
    said = []

    def log(message, logger=None, level=logging.INFO):
        said.extend([str(message)] * (level >= logging.WARNING))

    monkeypatch.setattr('mmengine.logging.print_log', log)
    return said


@pytest.mark.parametrize('library', ['mmseg', 'mmpretrain'])
@pytest.mark.parametrize('key', ROOTS)
def test_it_finds_what_the_default_scope_finds(key, library, warnings):
    root = ROOTS[key]
    with DefaultScope.overwrite_default_scope(library):
        with root.switch_scope_and_registry(library) as theirs:
            theirs.import_from_location()
            names = {*root.module_dict, *theirs.module_dict}
            expected = {name: theirs.get(name) for name in names}
        warnings.clear()  # a library may lack a registry, and mmengine says so
        with root.switch_scope_and_registry('ickd_mm') as ours:
            assert ours.scope == 'ickd_mm'
            assert {name: ours.get(name) for name in names} == expected
    assert not warnings


def test_what_is_built_inside_finds_it_too(scope):
    inner = dict(type='BaseSegDataset', lazy_init=True, pipeline=[dict(type='PackSegInputs')])
    dataset = DATASETS.build(
        dict(type='ConcatDataset', _scope_='ickd_mm', lazy_init=True, datasets=[inner])
    )
    assert type(dataset.datasets[0]).__module__.startswith('mmseg')
    student = dict(type='ResNet', depth=18, _scope_='mmpretrain')
    assert type(MODELS.build(dict(student))).__module__.startswith('mmpretrain')


@pytest.mark.parametrize('host', ['mmengine', 'mmseg', 'mmpretrain', 'ickd_mm'])
def test_our_names_are_known_in_every_scope(host):
    with DefaultScope.overwrite_default_scope(host):
        assert MODELS.build(dict(type='ickd_mm.ICKDLoss', grid=2)).grid == (2, 2)
    assert MODELS.build(dict(type='ICKDLoss', _scope_='ickd_mm'))


def test_an_heir_with_another_default_scope(tmp_path):
    config = tmp_path / 'config.py'
    config.write_text(f"_base_ = {RECIPE!r}\ndefault_scope = 'someproject'\n")
    cfg = Config.fromfile(config)
    assert cfg.val_evaluator._scope_ == cfg.model._scope_ == 'mmseg'
    assert cfg.default_scope == 'someproject'
    assert DATASETS.build(dict(cfg.val_dataloader.dataset, lazy_init=True)).metainfo['classes']


def test_a_part_of_a_recipe_is_not_marked(tmp_path):
    config = tmp_path / 'config.py'
    config.write_text(f'_base_ = {PART!r}\n')
    assert '_scope_' not in Config.fromfile(config).val_evaluator
    config.write_text("_base_ = 'mmseg::_base_/datasets/pascal_voc12.py'\n")
    assert Config.fromfile(config).val_evaluator._scope_ == 'mmseg'

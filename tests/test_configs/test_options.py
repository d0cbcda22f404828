"""Any recipe changes teacher, grid, weight, tap or schedule by one --cfg-options each."""

import argparse
from pathlib import Path

import pytest
from mmengine.config import Config
from support.recipes import BY_NAME, FILES, ROOT, name, recipe
from support.repository import table_rows

from ickd_mm.commands.arguments import add_config_arguments, load_config

DISTILLED = [file for file in FILES if 'teacher' in recipe(file).model]
CHANGES = {
    'model.teacher': 'my/teacher.py',
    'model.teacher_ckpt': 'my.pth',
    'model.pairs.{pair}.loss.grid': '(2,3)',
    'model.pairs.{pair}.loss.loss_weight': 7.5,
    'model.pairs.{pair}.student': 'backbone.layer3',
    'model.pairs.{pair}.teacher': 'backbone.layer2',
}

# mIoU by grid (1x1, 4x4, 16x16, 32x32) as ADLab-AutoDrive/ICKD, Segmentation, reports it
GRIDS = {
    'pspnet_r101_r18_voc': ('-', '-', '-', '-'),
    'deeplabv3plus_r101_r18_voc': ('74.14', '74.97', '74.74', '75.01'),
    'deeplabv3plus_r101_mobilenetv2_voc': ('72.10', '72.26', '72.79', '72.58'),
}


@pytest.fixture(autouse=True)
def files_read_once(monkeypatch):
    monkeypatch.setattr(Config, 'fromfile', lambda file: recipe(Path(file)))


def loaded(file, *options):
    parser = argparse.ArgumentParser()
    parser.add_argument('config')
    add_config_arguments(parser)
    return load_config(parser.parse_args([str(file), '--cfg-options', *options]))


def leaves(node, path=''):
    """Every value of a config with its key, as --cfg-options names it."""
    if isinstance(node, (dict, list)):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        return {k: v for key, n in items for k, v in leaves(n, f'{path}.{key}'.lstrip('.')).items()}
    return {path: node}


def changed(file, option):
    """What one option changes: key -> new value."""
    before, after = leaves(recipe(file).to_dict()), leaves(loaded(file, option).to_dict())
    tools = {'launcher', 'work_dir'}
    return {k: v for k, v in after.items() if k not in tools and before.get(k) != v}


def schedule_length(cfg):
    return 'max_iters' if 'max_iters' in cfg.train_cfg else 'max_epochs'


@pytest.mark.parametrize('key', CHANGES)
@pytest.mark.parametrize('file', DISTILLED, ids=name)
def test_one_option_changes_one_value(file, key):
    pair, settings = next(iter(recipe(file).model.pairs.items()))
    if key.endswith('grid') and settings.loss.type != 'ickd_mm.ICKDLoss':
        return
    value, key = CHANGES[key], key.format(pair=pair)
    expected = (2, 3) if key.endswith('grid') else value
    assert changed(file, f'{key}={value}') == {key: expected}


@pytest.mark.parametrize('file', FILES, ids=name)
def test_one_option_changes_the_schedule(file):
    key = f'train_cfg.{schedule_length(recipe(file))}'
    assert changed(file, f'{key}=13') == {key: 13}


@pytest.mark.parametrize('file', FILES, ids=name)
def test_a_polynomial_schedule_has_no_end_of_its_own(file):
    schedulers = recipe(file).param_scheduler
    for scheduler in schedulers if isinstance(schedulers, list) else [schedulers]:
        assert scheduler.type != 'PolyLR' or 'end' not in scheduler


@pytest.mark.parametrize('arch', GRIDS)
def test_the_readme_has_every_grid(arch):
    """The recipe's own in its first row, the others as options of it."""
    rows = table_rows(ROOT / 'ickd/README.md')
    (first,) = (n for n, row in enumerate(rows) if row[0] == f'[{arch}]({arch}.py)')
    shown = {recipe(arch).model.pairs.loss_icc.loss.grid: rows[first][2]}
    for config, option, figure, *_ in rows[first + 1 : first + 4]:
        ((key, grid),) = changed(BY_NAME[arch], option.strip('`')).items()
        assert config == ''
        assert key == 'model.pairs.loss_icc.loss.grid'
        shown[grid] = figure
    assert shown == dict(zip((1, 4, 16, 32), GRIDS[arch]))

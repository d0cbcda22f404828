"""The page 'distil your own model' is true: its configs build, its output is what is printed."""

import re

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from support.repository import REPO
from support.tools import run_tool, succeed

from ickd_mm.preflight.model_source import ModelSource, teacher_config
from ickd_mm.registry import MODELS

pytestmark = pytest.mark.slow

PAGE = (REPO / 'docs/own_model.md').read_text()
CONFIGS = dict(re.findall(r'^`(\w+\.py)`:\n\n```python\n(.*?)```', PAGE, re.M | re.S))
SHOWN = re.findall(
    r'^    python (tools/inspect_model\.py [^\n]*)\n\n```text\n(.*?)```', PAGE, re.M | re.S
)


def cells(line):
    return [cell.strip() for cell in line.strip().strip('│').split('│')]


def needs_its_library(name):
    if 'detector' in name:
        pytest.importorskip('mmdet', reason='mmdet is not installed: it comes with STACK=onedl')


def test_the_page_has_what_is_checked_here():
    assert len(CONFIGS) == 8
    assert len(SHOWN) == 9
    for name in CONFIGS:
        assert f'    python tools/train.py {name}\n' in PAGE


@pytest.mark.parametrize(('command', 'shown'), SHOWN, ids=[c.split('/')[-1] for c, _ in SHOWN])
def test_the_output_shown_is_printed(command, shown, tmp_path):
    needs_its_library(command)
    for name, text in CONFIGS.items():
        (tmp_path / name).write_text(text)
    tool, *args = command.split()
    done = succeed(run_tool(REPO / tool, *args, cwd=tmp_path, env=dict(COLUMNS='120')))
    printed = [cells(line) for line in done.stdout.splitlines()]
    lines = shown.splitlines()
    assert lines
    assert all(cells(line) in printed for line in lines)


@pytest.mark.parametrize('name', [n for n in CONFIGS if n not in ' '.join(c for c, _ in SHOWN)])
def test_a_config_builds_that_is_not_inspected(name, tmp_path, monkeypatch):
    """With weights of zero in place of the zoo's, and no way out to a network."""
    needs_its_library(name)
    for layer in (torch.nn.Conv2d, torch.nn.Linear):  # random ones take seconds
        zeros = lambda layer: torch.nn.init.zeros_(layer.weight)  # noqa: E731
        monkeypatch.setattr(layer, 'reset_parameters', zeros)
    monkeypatch.setattr('socket.socket.connect', None)
    file, weights = tmp_path / name, tmp_path / 'teacher.pth'
    file.write_text(CONFIGS[name])
    cfg = Config.fromfile(file)
    init_default_scope(cfg.default_scope if 'default_scope' in cfg else 'mmseg')
    teacher = ModelSource.read(cfg.model.teacher, 'teacher').build('teacher')
    torch.save(teacher.state_dict(), weights)
    if 'data_preprocessor' in cfg:
        cfg.model.data_preprocessor = cfg.data_preprocessor
    cfg.model.teacher_ckpt = str(weights)
    assert teacher_config(cfg.model)[1] == str(weights)
    (pair,) = MODELS.build(cfg.model).pairs
    assert pair.name == 'loss_icc'
    assert pair.connector is not None


def leaves(node, path=''):
    if isinstance(node, (dict, list)):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        inner = [leaves(value, f'{path}.{key}') for key, value in items if key != '_scope_']
        return {key: value for part in inner for key, value in part.items()}
    return {path.removeprefix('.'): node}


def test_the_file_changes_what_it_says_and_nothing_else(tmp_path):
    file = tmp_path / 'own_classes.py'
    file.write_text(CONFIGS[file.name])
    recipe = Config.fromfile(REPO / 'configs/ickd/pspnet_r101_r18_voc.py')
    before, after = (leaves(cfg.to_dict()) for cfg in (recipe, Config.fromfile(file)))
    changes = {key: value for key, value in after.items() if before.get(key) != value}
    student, data = 'model.student', 'train_dataloader.dataset.datasets'
    heads = [f'{student}.{head}' for head in ('decode_head', 'auxiliary_head')]
    assert {key: value for key, value in changes.items() if key.startswith(('model', data))} == {
        f'{student}.data_preprocessor.size': (256, 256),
        **{f'{part}.norm_cfg.type': 'BN' for part in (f'{student}.backbone', *heads)},
        **{f'{head}.num_classes': 5 for head in heads},
        **{f'{data}.{n}.pipeline.3.crop_size': (256, 256) for n in (0, 1)},
        **{f'{data}.{n}.pipeline.6.size': (256, 256) for n in (0, 1)},
    }
    assert before.keys() <= after.keys()

"""The page 'distil your own model' is true: its configs build, its output is what is printed."""

import re

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from support import REPO, run_tool, succeed

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


def test_the_page_has_what_is_checked_here():
    assert len(CONFIGS) == 4 and len(SHOWN) == 6
    for name in CONFIGS:
        assert f'    python tools/train.py {name}\n' in PAGE


@pytest.mark.parametrize(('command', 'shown'), SHOWN, ids=[c.split('/')[-1] for c, _ in SHOWN])
def test_the_output_shown_is_printed(command, shown, tmp_path):
    for name, text in CONFIGS.items():
        (tmp_path / name).write_text(text)
    tool, *args = command.split()
    done = succeed(run_tool(REPO / tool, *args, cwd=tmp_path, env=dict(COLUMNS='120')))
    printed = [cells(line) for line in done.stdout.splitlines()]
    lines = shown.splitlines()
    assert lines and all(cells(line) in printed for line in lines)


@pytest.mark.parametrize('name', CONFIGS)
def test_the_config_builds(name, tmp_path, monkeypatch):
    """With random weights in place of the zoo's, and no way out to a network."""
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
    assert pair.name == 'loss_icc' and pair.connector is not None


def test_the_changed_student_has_what_its_file_says(tmp_path):
    """Classes, norm layers and crop change; teacher, pairs and everything else are the recipe's."""
    file = tmp_path / 'own_classes.py'
    file.write_text(CONFIGS[file.name])
    cfg = Config.fromfile(file)
    recipe = Config.fromfile(REPO / 'configs/ickd/pspnet_r101_r18_voc.py')
    student = cfg.model.student
    assert student.data_preprocessor.size == (256, 256)
    for head in (student.decode_head, student.auxiliary_head):
        assert head.num_classes == 5 and head.norm_cfg.type == 'BN'
    assert student.backbone.norm_cfg.type == 'BN'
    for part in cfg.train_dataloader.dataset.datasets:
        steps = {step.type: step for step in part.pipeline}
        assert steps['RandomCrop'].crop_size == steps['Pad'].size == (256, 256)
    assert len(cfg.train_dataloader.dataset.datasets) == 2
    for key in ('teacher', 'teacher_ckpt', 'pairs'):
        assert cfg.model[key].__class__ is recipe.model[key].__class__
    assert cfg.model.teacher == recipe.model.teacher
    assert student.backbone.depth == recipe.model.student.backbone.depth == 18

"""The shipped classification configs, trained for a few steps through tools/train.py."""

import pytest
import torch
from mmengine.config import Config, ConfigDict
from support.repository import REPO, data_options
from support.tools import scalars, succeed, train

from ickd_mm.registry import MODELS

pytestmark = pytest.mark.slow

STUDENT = REPO / 'configs/baselines/resnet_student_digits.py'
TEACHER = REPO / 'configs/baselines/resnet_teacher_digits.py'
ICKD = REPO / 'configs/ickd/resnet_digits.py'


@pytest.fixture(scope='module')
def run(digits, tmp_path_factory):
    """Folder of a distillation of four steps; the teacher's weights are random."""
    folder = tmp_path_factory.mktemp('classification')
    teacher = MODELS.build(ConfigDict(Config.fromfile(TEACHER).model, _scope_='mmpretrain'))
    torch.save(dict(state_dict=teacher.state_dict()), folder / 'teacher.pth')
    options = [o for o in data_options(digits / 'imagenet') if 'val_dataloader.batch' not in o]
    options += [
        f'model.teacher={TEACHER}',
        f'model.teacher_ckpt={folder / "teacher.pth"}',
        'val_dataloader.dataset.indices=30',
        'train_cfg.max_iters=4',
        'train_cfg.val_interval=4',
    ]
    succeed(train(ICKD, folder / 'run', *options))
    return folder


def test_it_trains_and_scores(run):
    logged = scalars(run / 'run')
    assert [s['step'] for s in logged if 'loss_icc' in s] == [1, 2, 3, 4]
    assert all(s['loss_icc'] > 0 for s in logged if 'loss_icc' in s)
    (score,) = [s['accuracy/top1'] for s in logged if 'accuracy/top1' in s]
    assert 0 <= score <= 100


def test_the_teacher_is_the_student_three_times_as_wide():
    models = [Config.fromfile(file).model for file in (STUDENT, TEACHER)]
    widths = [model.backbone.base_channels for model in models]
    assert widths[1] == 3 * widths[0]
    assert models[1].head.in_channels == 8 * widths[1]
    for model in models:
        model.backbone.update(base_channels=0, stem_channels=0)
        model.head.in_channels = 0
    assert models[0] == models[1]

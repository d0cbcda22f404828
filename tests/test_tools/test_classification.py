"""The same tools train mmpretrain models: the digits as an ImageNet-style folder."""

import pytest
import torch
from mmengine.config import Config, ConfigDict
from support.repository import REPO
from support.tools import load, run_tool, scalars, succeed, train

from ickd_mm.registry import MODELS

pytestmark = pytest.mark.slow

BASE = """
default_scope = 'mmpretrain'
data_preprocessor = dict(mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True, num_classes=10)
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet_CIFAR', depth=18, base_channels={width}, stem_channels={width}),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=10, in_channels={width} * 8,
              loss=dict(type='CrossEntropyLoss'), topk=(1,)))
pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
train_dataloader = dict(
    batch_size=8, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='CustomDataset', data_root={root!r}, data_prefix='train', indices=24,
                 pipeline=pipeline))
val_dataloader = dict(
    batch_size=8, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CustomDataset', data_root={root!r}, data_prefix='val', indices=8,
                 pipeline=pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='Accuracy', topk=(1,))
test_evaluator = val_evaluator
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01))
train_cfg = dict(by_epoch=True, max_epochs=1)
val_cfg = dict()
test_cfg = dict()
visualizer = dict(type='UniversalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
default_hooks = dict(logger=dict(type='LoggerHook', interval=1))
"""
DISTILLED = """
_base_ = './student.py'
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student={{_base_.model}},
    teacher=%r,
    teacher_ckpt=%r,
    pairs=dict(loss_icc=dict(
        student='backbone.layer4', teacher='backbone.layer4',
        connector=dict(type='ickd_mm.ConvConnector', kernel_size=3),
        loss=dict(type='ickd_mm.ICKDLoss', loss_weight=2.5))))
"""


def test_an_image_classifier(digits, tmp_path):
    for name, width in (('student', 4), ('teacher', 8)):
        text = BASE.format(width=width, root=str(digits / 'imagenet'))
        (tmp_path / f'{name}.py').write_text(text)
    teacher = Config.fromfile(tmp_path / 'teacher.py').model
    weights = MODELS.build(ConfigDict(teacher, _scope_='mmpretrain')).state_dict()
    torch.save(dict(state_dict=weights), tmp_path / 'teacher.pth')
    config = tmp_path / 'distilled.py'
    config.write_text(DISTILLED % (str(tmp_path / 'teacher.py'), str(tmp_path / 'teacher.pth')))

    succeed(train(config, tmp_path / 'run', 'randomness.seed=0'))
    steps = [s for s in scalars(tmp_path / 'run') if 'loss_icc' in s]
    assert len(steps) == 3
    assert all(s['loss_icc'] > 0 for s in steps)
    assert any('accuracy/top1' in s for s in scalars(tmp_path / 'run'))
    written = load(tmp_path / 'run/epoch_1.pth')
    student = Config.fromfile(tmp_path / 'student.py').model
    plain = MODELS.build(ConfigDict(student, _scope_='mmpretrain'))
    plain.load_state_dict(written['state_dict'], strict=True)
    tool = REPO / 'tools/test.py'
    work = ('--work-dir', tmp_path / 'test')
    succeed(run_tool(tool, config, tmp_path / 'run/epoch_1.pth', *work))
    succeed(run_tool(tool, config, '--teacher', *work))

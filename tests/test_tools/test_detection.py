"""A whole run of a detector that needs no operators of mmcv, through the command-line tools."""

import pytest
import torch

pytest.importorskip('mmdet', reason='mmdet is not installed: it comes with STACK=onedl')

from mmengine.config import Config
from support.made_data import make_coco
from support.repository import REPO
from support.tools import run_tool, scalars, succeed, train

from ickd_mm.registry import MODELS

pytestmark = pytest.mark.slow

CONFIG = """
_base_ = 'mmdet::detr/detr_r50_8xb2-150e_coco.py'
student = _base_.model
student.encoder.num_layers = student.decoder.num_layers = 1
student.backbone.update(depth=18, init_cfg=None)
student.neck.in_channels = [512]
student.bbox_head.num_classes = 2
classes = dict(classes=('person', 'bicycle'))
model = dict(
    _delete_=True,
    type='ickd_mm.FeatureDistiller',
    student=student,
    teacher=student,
    teacher_ckpt={file!r},
    pairs=dict(
        loss_icc=dict(
            student='encoder:map', teacher='encoder:map', loss=dict(type='ickd_mm.ICKDLoss')
        )
    ),
)
teacher_val = True
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=(96, 96)),
    dict(type='PackDetInputs'),
]
few = dict(num_workers=0, persistent_workers=False)
train_set = dict(metainfo=classes, pipeline=train_pipeline)
train_dataloader = dict(batch_size=2, **few, dataset=train_set)
val_dataloader = test_dataloader = dict(few, dataset=dict(metainfo=classes, pipeline=[
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(96, 96), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape',
                                          'scale_factor')),
]))
train_cfg = dict(max_epochs=1)
"""


def test_training_validation_the_teachers_score_and_pictures(tmp_path):
    data, config = make_coco(tmp_path / 'coco'), tmp_path / 'detr.py'
    config.write_text(CONFIG.format(file=str(tmp_path / 'teacher.pth')))
    teacher = MODELS.build(dict(Config.fromfile(config).model.teacher, _scope_='mmdet'))
    torch.save(teacher.state_dict(), tmp_path / 'teacher.pth')

    few = 'default_hooks.logger.interval=1'
    done = succeed(train(config, tmp_path / 'run', few, flags=('--data-root', data)))
    assert 'Teacher on the validation set: teacher/coco/bbox_mAP: ' in done.stdout
    lines = scalars(tmp_path / 'run')
    assert len([line for line in lines if line.get('loss_icc', 0) > 0]) == 2
    assert any('coco/bbox_mAP' in line for line in lines)

    pictures, checkpoint = tmp_path / 'pictures', tmp_path / 'run/epoch_1.pth'
    words = '--work-dir', tmp_path / 'test', '--data-root', data, '--show-dir', pictures
    succeed(run_tool(REPO / 'tools/test.py', config, checkpoint, *words))
    assert len(list(pictures.rglob('*.png'))) == 4
    done = run_tool(REPO / 'tools/test.py', config, checkpoint, '--out', tmp_path, *words)
    assert "--out needs a model of mmseg, got 'DETR': leave it out" in done.stderr

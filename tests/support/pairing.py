"""A distiller of two given models, with one pair, and its losses on random images."""

import torch
from mmengine.config import ConfigDict

from ickd_mm.registry import MODELS
from support.models import batch

CONNECTOR = dict(type='ickd_mm.ConvConnector', kernel_size=3)
CLASSIFIER = dict(
    _scope_='mmpretrain',
    type='ImageClassifier',
    data_preprocessor=dict(mean=[0.0], std=[255.0], num_classes=5, to_rgb=True),
    backbone=dict(type='ResNet_CIFAR', depth=18, base_channels=8, stem_channels=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=5, in_channels=64),
)


def build(student, ours, teacher, theirs, tmp_path, **pair):
    torch.manual_seed(0)
    weights = str(tmp_path / 'teacher.pth')
    torch.save(MODELS.build(ConfigDict(teacher)).state_dict(), weights)
    loss = dict(type='ickd_mm.ICKDLoss', grid=pair.pop('grid', 2))
    pair = dict(student=ours, teacher=theirs, connector=CONNECTOR, loss=loss, **pair)
    return MODELS.build(
        ConfigDict(
            type='ickd_mm.FeatureDistiller',
            student=student,
            teacher=teacher,
            teacher_ckpt=weights,
            pairs=dict(loss_icc=pair),
        )
    )


def losses_of(model):
    if model.student.__class__.__name__ == 'ImageClassifier':
        from mmpretrain.structures import DataSample

        samples = [DataSample().set_gt_label(i) for i in range(2)]
        data = dict(inputs=torch.randint(0, 256, (2, 3, 224, 224)), data_samples=samples)
    else:
        data = batch(size=56, classes=5)
    return model.train()(**model.data_preprocessor(data, training=True), mode='loss')

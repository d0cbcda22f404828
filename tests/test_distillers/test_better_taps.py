"""Taps that cannot train the student, or give no map: the message names one that can."""

import re

import pytest
from support.models import VIT, batch
from support.pairing import CLASSIFIER, build, losses_of

from ickd_mm.registry import MODELS

pytestmark = pytest.mark.slow

CNN = CLASSIFIER, 'backbone[0]'
PREPROCESSOR = CLASSIFIER['data_preprocessor']
DEIT = dict(
    VIT,
    backbone=dict(VIT['backbone'], type='DistilledVisionTransformer', out_type='cls_token'),
    neck=None,
    head=dict(type='DeiTClsHead', num_classes=5, in_channels=24),
)
CONVNEXT = dict(
    _scope_='mmpretrain',
    type='ImageClassifier',
    data_preprocessor=PREPROCESSOR,
    backbone=dict(type='ConvNeXt', arch=dict(depths=[1, 1, 1, 1], channels=[8, 8, 16, 16])),
    head=dict(type='LinearClsHead', num_classes=5, in_channels=16),
)
SWIN = dict(
    _scope_='mmpretrain',
    type='ImageClassifier',
    data_preprocessor=PREPROCESSOR,
    backbone=dict(type='SwinTransformer', img_size=224,
                  arch=dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2])),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=5, in_channels=64),
)  # fmt: skip
NO_MAPS = {
    'DeiT gives its class tokens': (DEIT, 'backbone[0][0]', 'backbone.ln1:map'),
    "a layer of a transformer's gives tokens": (DEIT, 'backbone.layers.0', 'backbone.layers.0:map'),
    'ConvNeXt gives pooled channels': (CONVNEXT, 'backbone[0]', 'backbone.stages.3'),
    'a stage of Swin gives tokens': (SWIN, 'backbone.stages.2[0]', 'backbone.stages.2[0]:map'),
}


@pytest.mark.parametrize('case', NO_MAPS)
def test_a_tap_without_a_map_names_one_with(case, scope, tmp_path):
    model, tap, better = NO_MAPS[case]
    for role in ('student', 'teacher'):
        sides = ((model, tap), CNN) if role == 'student' else (CNN, (model, tap))
        hint = re.escape(f'; pairs.loss_icc.{role}={better!r} gives a map')
        said = rf'must .*\(N, C, H, W\).*{hint}$'
        with pytest.raises(ValueError, match=said):
            build(*sides[0], *sides[1], tmp_path)
    trained = build(model, better, *CNN, tmp_path)
    losses = losses_of(trained)
    assert losses['loss_icc'] > 0
    losses['loss_icc'].backward()
    assert any(p.grad is not None for p in trained.student.backbone.parameters())


NO_GRADIENT = {
    'frozen stages': (dict(frozen_stages=2), 'backbone.layer1', 'backbone.layer3'),
    'inside frozen stages': (
        dict(frozen_stages=1),
        'backbone.layer1.0.conv1',
        'backbone.layer2.0.conv1',
    ),
    'inside a checkpointed block': (
        dict(with_cp=True),
        'backbone.layer4.0.conv1',
        'backbone.layer4.0',
    ),
    'what a checkpointed block changes in place': (
        dict(with_cp=True),
        'backbone.layer4.1.bn2',
        'backbone.layer4.1',
    ),
    'all stages are frozen': (dict(frozen_stages=4), 'backbone.layer4', 'decode_head.bottleneck'),
}


@pytest.mark.parametrize('case', NO_GRADIENT)
def test_a_tap_that_carries_no_gradient_names_one_that_does(case, distiller_cfg, scope):
    changes, tap, better = NO_GRADIENT[case]
    distiller_cfg.student.backbone.update(changes)
    distiller_cfg.pairs.loss_icc.student = tap
    with pytest.raises(ValueError, match='carries no gradient') as caught:
        MODELS.build(distiller_cfg)
    assert str(caught.value) == (
        f'pairs.loss_icc.student={tap!r} carries no gradient: it is in frozen stages, or inside a '
        f'reentrant activation checkpoint (with_cp); tap {better!r}, or train what is before it'
    )
    distiller_cfg.pairs.loss_icc.student = better
    model = MODELS.build(distiller_cfg)
    data = model.data_preprocessor(batch(), training=True)
    model.train()(**data, mode='loss')['loss_icc'].backward()

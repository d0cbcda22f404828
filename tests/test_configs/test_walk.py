"""Every config builds at its own size, trains a step on smaller images, and predicts.

Those of ``configs/comparison`` do so in ``tests/test_compare_configs.py``.
"""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from support.recipes import BY_NAME, FILES, name, recipe
from torch import nn

from ickd_mm.commands.benchmark.batches import random_batch
from ickd_mm.preflight.image_size import image_size
from ickd_mm.preflight.model_source import ModelSource
from ickd_mm.runtime.stack import missing_operator

LARGEST = 65
# Their model is the student of a recipe in configs/ickd, which is walked.
WITHIN = {
    'deeplabv3plus_mobilenetv2_voc': 'deeplabv3plus_r101_mobilenetv2_voc',
    'deeplabv3plus_r18_voc': 'deeplabv3plus_r101_r18_voc',
    'pspnet_r18_voc': 'pspnet_r101_r18_voc',
    'retinanet_r18_coco': 'retinanet_r101_r18_coco',
    'rtmdet_tiny_coco': 'rtmdet_s_tiny_coco',
    'pspnet_student_digits': 'pspnet_digits',
    'resnet_student_digits': 'resnet_digits',
    'mobilenet_v2_cifar100': 'resnet50_mobilenet_v2_cifar100',
    'resnet20_cifar100': 'resnet56_resnet20_cifar100',
    'resnet32_cifar100': 'resnet110_resnet32_cifar100',
    'resnet8x4_cifar100': 'resnet32x4_resnet8x4_cifar100',
    'shufflenet_v1_cifar100': 'wrn_40_2_shufflenet_v1_cifar100',
    'shufflenet_v2_cifar100': 'resnet32x4_shufflenet_v2_cifar100',
    'vgg8_cifar100': 'vgg13_vgg8_cifar100',
    'wrn_16_2_cifar100': 'wrn_40_2_wrn_16_2_cifar100',
    'wrn_40_1_cifar100': 'wrn_40_2_wrn_40_1_cifar100',
}
WALKED = [f for f in FILES if f.parent.name != 'comparison' and f.stem not in WITHIN]


def with_smaller_grids(model, largest):
    """Cells no finer than the maps of the small images; the build has seen the real ones."""
    for pair in model.pairs:
        if hasattr(pair.loss, 'grid'):
            pair.loss.grid = tuple(min(n, largest) for n in pair.loss.grid)


SMALL = dict(embed_dims=24, num_layers=12, num_heads=2, feedforward_channels=48)


def with_smaller_transformer(cfg):
    """A foundation teacher of the same parts and fewer channels, on images of 5×5 patches."""
    teacher = ModelSource.read(cfg.model.teacher, 'teacher').cfg
    assert teacher.backbone.img_size == cfg.model.teacher_run.size
    teacher.backbone.update(arch=SMALL, img_size=70)
    cfg.model.update(teacher=teacher, teacher_ckpt='small.pth')
    cfg.model.teacher_run.size = 70


def check_step(model, cfg, data):
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    model.train()
    losses = model(**model.data_preprocessor(data, training=True), mode='loss')
    for pair in getattr(model, 'pairs', ()):
        assert losses[pair.name] > 0, pair.name
    total, _ = model.parse_losses(losses)
    assert torch.isfinite(total)
    optimizer.backward(total)
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    without = [n for n, p in trained.items() if p.grad is None or not p.grad.isfinite().all()]
    assert trained
    assert not without
    before = [p.detach().clone() for p in trained.values()]
    optimizer.step()
    assert any(not torch.equal(a, b) for a, b in zip(before, trained.values()))


def check_connectors(model, cfg):
    """They are there, and take their channels from the two models."""
    asked = {key for key, pair in cfg.model.pairs.items() if pair.get('connector')}
    assert asked == set(model.connectors)
    for connector in model.connectors.values():
        assert any(isinstance(module, nn.Conv2d) for module in connector.modules())


def scores_of(sample):
    if 'pred_instances' in sample:  # a box each, as many as there are
        return torch.cat([sample.pred_instances.scores, torch.zeros(2)])
    return sample.seg_logits.data if 'seg_logits' in sample else sample.pred_score


def without_scopes(node):
    if isinstance(node, dict):
        return {key: without_scopes(value) for key, value in node.items() if key != '_scope_'}
    return [without_scopes(x) for x in node] if isinstance(node, (list, tuple)) else node


@pytest.mark.parametrize('alone', [name for name in WITHIN if BY_NAME[name] in FILES])
def test_a_model_that_is_not_walked_alone_is_a_student(alone):
    taught = recipe(WITHIN[alone])
    assert without_scopes(recipe(alone).model) == without_scopes(taught.model.student)


@pytest.mark.slow
@pytest.mark.parametrize('file', WALKED, ids=name)
def test_it_builds_trains_and_predicts(file, build):
    cfg = recipe(file)
    size = tuple(min(n, LARGEST) for n in image_size(cfg)[0])
    detects = cfg.default_scope == 'mmdet'
    if detects:
        size = (64, 64)  # necks want a multiple of 32, and maps are 2×2
    if file.stem.startswith('dinov2'):
        with_smaller_transformer(cfg)
    model = build(cfg)
    if getattr(model.data_preprocessor, 'size', None) is not None:
        model.data_preprocessor.size = size
    if 'teacher' in cfg.model:
        with_smaller_grids(model, 1 if detects else 4)
        check_connectors(model, cfg)
    check_step(model, cfg, random_batch(cfg, 3, size))
    if 'teacher' in cfg.model:
        model.teacher.apply(lambda weight: weight)  # gives packed weights back
        teacher = list(model.teacher.model.parameters())
        assert teacher
        assert not any(p.requires_grad or p.grad is not None for p in teacher)
        assert not any(m.training for m in model.teacher.model.modules())
    if detects and missing_operator('batched_nms'):
        return
    model.eval()
    with torch.no_grad():
        predicted = model.val_step(random_batch(cfg, 3, size))
    (scores,) = {tuple(scores_of(sample).shape) for sample in predicted}
    assert len(predicted) == 3
    assert scores[0] > 1

"""The VOC recipes hold what overhaul-distillation's setting is."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from recipes import recipe

IMAGES, EPOCHS, BATCH = 10582, 50, 16
DEEPLAB = ('deeplabv3plus_r101', 'deeplabv3plus_r18', 'deeplabv3plus_mobilenetv2')
DISTILLED = ('deeplabv3plus_r101_r18_4x4', 'deeplabv3plus_r101_mobilenetv2_4x4')


@pytest.mark.parametrize('name', DEEPLAB + DISTILLED)
def test_schedule_and_data(name):
    cfg = recipe(f'voc/{name}')
    assert cfg.train_dataloader.batch_size == BATCH
    assert cfg.train_cfg.max_iters == EPOCHS * -(-IMAGES // BATCH)
    assert cfg.optim_wrapper.optimizer == dict(
        type='SGD', lr=0.007, momentum=0.9, weight_decay=5e-4
    )
    (poly,) = cfg.param_scheduler
    assert poly.type == 'PolyLR' and poly.eta_min == 0
    for part in cfg.train_dataloader.dataset.datasets:
        crop = next(step for step in part.pipeline if step.type == 'RandomCrop')
        assert crop.crop_size == (513, 513)


@pytest.mark.parametrize('name', DEEPLAB)
def test_output_stride_is_16(name, build):
    model = build(recipe(f'voc/{name}')).eval()
    with torch.no_grad():
        maps = model.extract_feat(torch.randn(1, 3, 97, 97))
    assert maps[0].shape[2:] == (25, 25) and maps[-1].shape[2:] == (7, 7)


def test_heads_and_connectors_learn_ten_times_as_fast(build):
    cfg = recipe('voc/deeplabv3plus_r101_r18_4x4')
    model = build(cfg)
    groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    rates = {id(p): group['lr'] for group in groups for p in group['params']}
    for key, parameter in model.named_parameters():
        fast = key.startswith(('decode_head', 'connectors'))
        assert rates[id(parameter)] == pytest.approx(0.07 if fast else 0.007), key


def test_a_grid_finer_than_the_maps_ends_before_training(build):
    """33x33 maps hold 32x32 cells and no 64x64."""
    cfg = recipe('voc/deeplabv3plus_r101_r18_32x32')
    cfg.model.pairs.loss_icc.loss.grid = 64
    with pytest.raises(ValueError, match=r'33, 33.*do not go together'):
        build(cfg)

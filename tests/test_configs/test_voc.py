"""The VOC recipes hold what overhaul-distillation's setting is."""

import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, init_default_scope
from PIL import Image
from support.recipes import recipe

from ickd_mm.preflight.data import set_data_root

IMAGES, EPOCHS, BATCH = 10582, 50, 16
DEEPLAB = ('deeplabv3plus_r101_voc', 'deeplabv3plus_r18_voc', 'deeplabv3plus_mobilenetv2_voc')
DISTILLED = ('deeplabv3plus_r101_r18_voc', 'deeplabv3plus_r101_mobilenetv2_voc')


@pytest.mark.parametrize('name', DEEPLAB + DISTILLED)
def test_schedule_and_data(name):
    cfg = recipe(name)
    assert cfg.train_dataloader.batch_size == BATCH
    assert cfg.train_cfg.max_iters == EPOCHS * -(-IMAGES // BATCH)
    assert cfg.optim_wrapper.optimizer == dict(
        type='SGD', lr=0.007, momentum=0.9, weight_decay=5e-4
    )
    (poly,) = cfg.param_scheduler
    assert poly.type == 'PolyLR'
    assert poly.eta_min == 0
    for part in cfg.train_dataloader.dataset.datasets:
        crop = next(step for step in part.pipeline if step.type == 'RandomCrop')
        assert crop.crop_size == (513, 513)


@pytest.mark.slow
@pytest.mark.parametrize('name', DEEPLAB)
def test_output_stride_is_16(name, build):
    model = build(recipe(name)).eval()
    with torch.no_grad():
        maps = model.extract_feat(torch.randn(1, 3, 97, 97))
    assert maps[0].shape[2:] == (25, 25)
    assert maps[-1].shape[2:] == (7, 7)


@pytest.mark.slow
def test_heads_and_connectors_learn_ten_times_as_fast(build):
    cfg = recipe('deeplabv3plus_r101_r18_voc')
    model = build(cfg)
    groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    rates = {id(p): group['lr'] for group in groups for p in group['params']}
    for key, parameter in model.named_parameters():
        fast = key.startswith(('decode_head', 'connectors'))
        assert rates[id(parameter)] == pytest.approx(0.07 if fast else 0.007), key


@pytest.mark.slow
def test_a_grid_finer_than_the_maps_ends_before_training(build):
    """33x33 maps hold 32x32 cells and no 64x64."""
    cfg = recipe('deeplabv3plus_r101_r18_voc')
    cfg.model.pairs.loss_icc.loss.grid = 64
    with pytest.raises(ValueError, match=r'33, 33.*do not go together'):
        build(cfg)


def test_the_data_are_read_and_cropped(tmp_path):
    """One image of VOC's own list, one of SBD's."""
    folders = ('JPEGImages', 'SegmentationClass', 'SegmentationClassAug', 'ImageSets/Segmentation')
    images, labels, more_labels, lists = (tmp_path / folder for folder in folders)
    for folder in (images, labels, more_labels, lists):
        folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, list_name, where in (('a', 'train', labels), ('b', 'aug', more_labels)):
        Image.fromarray(rng.integers(0, 256, (40, 60, 3), np.uint8)).save(images / f'{name}.jpg')
        Image.fromarray(rng.integers(0, 21, (40, 60), np.uint8)).save(where / f'{name}.png')
        (lists / f'{list_name}.txt').write_text(f'{name}\n')
    cfg = recipe('deeplabv3plus_r18_voc')
    set_data_root(cfg, str(tmp_path))
    init_default_scope('mmseg')
    data = DATASETS.build(cfg.train_dataloader.dataset)
    assert len(data) == 2
    for sample in data:
        assert sample['inputs'].shape == (3, 513, 513)
        assert sample['data_samples'].gt_sem_seg.data.shape == (1, 513, 513)

"""How large the images are that a config trains on."""

import pytest
from mmengine.config import Config
from mmpretrain.datasets import RandomCrop
from support.repository import ICKD, REPO

from ickd_mm.commands.inspect.inspect_config import inspect_config
from ickd_mm.preflight.image_size import (
    DEFAULT_SIZE,
    config_image_size,
    fill_input_size,
    image_size,
)


def config(student=None, pipeline=(), **model):
    model = dict(type='ickd_mm.FeatureDistiller', student=student or dict(type='A'), **model)
    return Config(dict(model=model, train_dataloader=dict(dataset=dict(pipeline=list(pipeline)))))


CROP = [dict(type='Resize', scale=256), dict(type='RandomResizedCrop', scale=192)]


@pytest.mark.parametrize(
    ('cfg', 'size'),
    [
        (config(pipeline=CROP), (192, 192)),
        (config(pipeline=[dict(type='mmseg.RandomCrop', crop_size=(48, 64))]), (48, 64)),
        (config(pipeline=[dict(type=RandomCrop, crop_size=(48, 64))]), (48, 64)),
        (config(pipeline=[dict(type='Resize', scale=32)]), (32, 32)),
        (config(pipeline=[dict(type='mmdet.Resize', scale=(1333, 800))]), (800, 1333)),
        (config(pipeline=[*CROP, dict(type='Resize', scale=(96, 64))]), (64, 96)),
        (config(pipeline=[*CROP, dict(type='RandomFlip'), dict(type='Pad', size=200)]), (200, 200)),
        (config(pipeline=[dict(type='RandomChoiceResize', scales=[40, 80])]), (40, 40)),
        (config(pipeline=CROP, input_size=32), (32, 32)),
        (config(dict(type='A', data_preprocessor=dict(size=(8, 9))), CROP), (8, 9)),
        (Config(dict(model=dict(type='A'), data_preprocessor=dict(size=(8, 9)))), (8, 9)),
    ],
)
def test_where_the_size_is_found(cfg, size):
    assert config_image_size(cfg)[0] == size


def test_below_data_sets_that_wrap_others():
    cfg = config(pipeline=CROP)
    inner = cfg.train_dataloader.dataset
    repeated = dict(type='RepeatDataset', times=2, dataset=inner)
    joined = dict(type='ConcatDataset', datasets=[repeated, dict(pipeline=[])])
    cfg.train_dataloader.dataset = joined
    assert config_image_size(cfg)[0] == (192, 192)
    mixed = dict(type='MultiImageMixDataset', dataset=joined, pipeline=[dict(type='RandomFlip')])
    cfg.train_dataloader.dataset = mixed
    assert config_image_size(cfg)[0] == (192, 192)
    mixed['pipeline'].append(dict(type='Resize', scale=(48, 32)))
    cfg.train_dataloader.dataset = mixed
    said = 'the last Resize of the training pipeline'
    assert config_image_size(cfg) == ((32, 48), said)


@pytest.mark.parametrize(
    'cfg',
    [config(), Config(dict(model=dict(type='EncoderDecoder')))],
)
def test_a_config_that_does_not_say(cfg):
    assert config_image_size(cfg)[0] == DEFAULT_SIZE == (224, 224)


def test_a_relative_crop_says_no_size():
    relative = dict(type='mmseg.RandomCrop', crop_size=(0.8, 0.8))
    assert config_image_size(config(pipeline=[relative, *CROP]))[0] == (192, 192)
    assert config_image_size(config(pipeline=[relative]))[0] == DEFAULT_SIZE


def test_only_what_is_not_known_is_filled_in():
    padded = dict(type='A', data_preprocessor=dict(size=(8, 9)))
    for cfg, size in (
        (config(pipeline=CROP), (192, 192)),
        (config(pipeline=CROP, input_size=None), (192, 192)),
        (config(pipeline=CROP, input_size=32), 32),
        (config(padded, CROP), None),
    ):
        fill_input_size(cfg)
        assert cfg.model.get('input_size') == size


@pytest.mark.parametrize('given', [0, -1, True, 1.5, '32', (32,), (32, 0), (1, 2, 3), (32, True)])
def test_a_wrong_size(given):
    with pytest.raises(ValueError, match='input_size must be a positive integer or'):
        image_size({}, given)


def test_a_classifier_is_inspected_at_the_size_it_trains_on():
    cfg = Config.fromfile(REPO / 'configs/ickd/resnet_digits.py')
    (match,) = inspect_config(cfg).matches
    assert match.student_shape == (64, 4, 4)
    assert inspect_config(Config.fromfile(ICKD)).matches[0].student_shape == (64, 16, 16)

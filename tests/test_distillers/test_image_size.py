"""How large the images are that a config trains on."""

import pytest
from mmengine.config import Config
from support import ICKD, REPO

from ickd_mm.distillers.image_size import fill_input_size, image_size
from ickd_mm.inspection.inspect import inspect_config


def config(student=None, pipeline=(), **model):
    model = dict(type='ickd_mm.FeatureDistiller', student=student or dict(type='A'), **model)
    return Config(dict(model=model, train_dataloader=dict(dataset=dict(pipeline=list(pipeline)))))


CROP = [dict(type='Resize', scale=256), dict(type='RandomResizedCrop', scale=192)]


@pytest.mark.parametrize(
    ('cfg', 'size'),
    [
        (config(pipeline=CROP), (192, 192)),
        (config(pipeline=[dict(type='mmseg.RandomCrop', crop_size=(48, 64))]), (48, 64)),
        (config(pipeline=CROP, input_size=32), (32, 32)),
        (config(dict(type='A', data_preprocessor=dict(size=(8, 9))), CROP), (8, 9)),
    ],
)
def test_where_the_size_is_found(cfg, size):
    assert image_size(cfg) == size


def test_below_a_data_set_that_wraps_another():
    cfg = config(pipeline=CROP)
    inner = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset = dict(type='RepeatDataset', times=2, dataset=inner)
    assert image_size(cfg) == (192, 192)


def test_only_what_is_not_known_is_filled_in():
    cfg = config(pipeline=CROP)
    fill_input_size(cfg)
    assert cfg.model.input_size == (192, 192)
    for cfg in (
        config(pipeline=CROP, input_size=32),
        config(dict(type='A', data_preprocessor=dict(size=(8, 9))), CROP),
        config(),
        Config(dict(model=dict(type='EncoderDecoder'))),
        Config(dict()),
    ):
        before = cfg.get('model', {}).get('input_size')
        fill_input_size(cfg)
        assert cfg.get('model', {}).get('input_size') == before


def test_a_classifier_is_inspected_at_the_size_it_trains_on():
    cfg = Config.fromfile(REPO / 'configs/digits/ickd/resnet_ickd.py')
    (match,) = inspect_config(cfg).matches
    assert match.student_shape == (64, 4, 4)
    assert inspect_config(Config.fromfile(ICKD)).matches[0].student_shape == (64, 16, 16)

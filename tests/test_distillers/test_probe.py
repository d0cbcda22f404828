"""The size at which shapes are learned before training."""

import pytest
import torch
from mmengine.config import Config, ConfigDict
from support import REPO, batch

from ickd_mm.distillers.probe import DEFAULT_SIZE, training_size
from ickd_mm.registry import MODELS


class Model:
    """As much of a model as the size needs."""

    def __init__(self, size=None):
        self.data_preprocessor = type('Preprocessor', (), dict(size=size))()


def test_the_preprocessors_size_then_a_default():
    assert training_size(Model((48, 64))) == (48, 64)
    assert training_size(Model()) == DEFAULT_SIZE == (224, 224)


@pytest.mark.parametrize(
    ('given', 'size'), [(32, (32, 32)), ((32, 64), (32, 64)), ([32, 64], (32, 64))]
)
def test_what_the_config_gives(given, size):
    assert training_size(Model(), given) == size


@pytest.mark.parametrize('given', [0, -1, True, 1.5, '32', (32,), (32, 0), (1, 2, 3), (32, True)])
def test_a_wrong_size(given):
    with pytest.raises(ValueError, match='input_size must be a positive integer or'):
        training_size(Model(), given)


@pytest.fixture
def cfg(tmp_path):
    """WRN-40-2 -> WRN-16-2 with random weights of the teacher."""
    model = Config.fromfile(REPO / 'configs/cifar100/wrn_40_2_wrn_16_2.py')
    teacher = Config.fromfile(REPO / 'configs/cifar100/wrn_40_2.py')
    teacher.model.data_preprocessor = teacher.data_preprocessor
    weights = MODELS.build(ConfigDict(_scope_='mmpretrain', **teacher.model)).state_dict()
    torch.save(dict(state_dict=weights), tmp_path / 'teacher.pth')
    model.model.update(
        teacher=ConfigDict(_scope_='mmpretrain', **teacher.model),
        teacher_ckpt=str(tmp_path / 'teacher.pth'),
        data_preprocessor=model.data_preprocessor,
    )
    model.model.student._scope_ = 'mmpretrain'
    return model.model


def test_a_grid_that_is_too_fine_ends_the_run_before_it_begins(cfg):
    cfg.pairs.loss_icc.loss.grid = 8
    MODELS.build(cfg)
    cfg.pairs.loss_icc.loss.grid = 9
    with pytest.raises(ValueError, match=r'\(2, 128, 8, 8\).*do not go together'):
        MODELS.build(cfg)


def test_a_size_that_is_no_size_is_refused(cfg):
    cfg.input_size = 0
    with pytest.raises(ValueError, match='input_size'):
        MODELS.build(cfg)


def test_a_segmentation_model_knows_its_size(scope, distiller_cfg):
    model = MODELS.build(distiller_cfg)
    assert model(**model.data_preprocessor(batch(), training=True), mode='loss')['loss_icc'] > 0
    distiller_cfg.input_size = (8, 8)
    distiller_cfg.pairs.loss_icc.loss.grid = 4
    with pytest.raises(ValueError, match='do not go together'):
        MODELS.build(distiller_cfg)

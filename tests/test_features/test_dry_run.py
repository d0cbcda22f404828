"""The size at which shapes are learned before training."""

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import BaseModel
from support.models import batch
from support.repository import REPO
from torch import nn

from ickd_mm.features.dry_run import image_channels
from ickd_mm.randomness import preserved_randomness
from ickd_mm.registry import MODELS


@pytest.fixture
def cfg(tmp_path):
    """WRN-40-2 -> WRN-16-2 with random weights of the teacher."""
    model = Config.fromfile(REPO / 'configs/ickd/wrn_40_2_wrn_16_2_cifar100.py')
    teacher = Config.fromfile(REPO / 'configs/baselines/wrn_40_2_cifar100.py')
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
    with pytest.raises(ValueError, match=r'\(2, 128, 8, 8\).*do not go together.* of 32x32, model'):
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


@pytest.mark.parametrize(
    ('mean', 'first', 'channels'),
    [([1.0] * 4, 4, 4), ([1.0] * 3, 3, 3), ([1.0], 1, 1), ([1.0], 3, 3), (None, 5, 5)],
)
def test_the_channels_of_the_images(mean, first, channels):
    preprocessor = nn.Module()
    if mean is not None:
        preprocessor.mean = torch.tensor(mean).view(-1, 1, 1)
    model = nn.Sequential(nn.Conv2d(first, 7, 1), nn.Conv2d(7, 2, 1))
    model.data_preprocessor = preprocessor
    assert image_channels(model) == channels


@pytest.mark.parametrize('before', [nn.PixelUnshuffle(2), nn.Upsample(scale_factor=2)])
def test_a_stem_that_makes_channels_of_pixels(before):
    """YOLOX's first convolution takes 12 channels, of images that have 3."""

    class Stemmed(BaseModel):
        def __init__(self):
            super().__init__()
            self.stem, self.conv = before, nn.Conv2d(12, 2, 1)

        def forward(self, inputs, data_samples=None, mode='tensor'):
            return self.conv(self.stem(inputs))

    assert image_channels(Stemmed()) == (3 if isinstance(before, nn.PixelUnshuffle) else 12)


def test_asking_for_randomness_of_gpus_that_are_not_used_is_left_out(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'is_initialized', lambda: False)
    fork = torch.random.fork_rng
    monkeypatch.setattr(torch.random, 'fork_rng', lambda devices: asked.append(devices) or fork([]))
    state = torch.get_rng_state()
    with preserved_randomness():
        torch.rand(3)
    assert asked == [[]]
    assert torch.equal(torch.get_rng_state(), state)

"""The ImageNet recipe through the tools, on a folder laid out as ImageNet is."""

import os

import pytest
import torch
from mmengine.config import Config
from mmpretrain.datasets.categories import IMAGENET_CATEGORIES
from PIL import Image
from support.forking import train
from support.repository import REPO
from support.tools import load, scalars, succeed

from ickd_mm.preflight.model_source import ModelSource
from ickd_mm.registry import MODELS

pytestmark = pytest.mark.slow

CONFIG = REPO / 'configs/ickd/resnet34_resnet18_scratch_imagenet.py'


@pytest.fixture(scope='module')
def imagenet(tmp_path_factory):
    """1,000 folders with the same image; a few of them are read."""
    root = tmp_path_factory.mktemp('imagenet')
    noise = torch.randint(0, 256, (40, 40, 3), dtype=torch.uint8)
    Image.fromarray(noise.numpy()).save(root / 'image.jpg')
    for split in ('train', 'val'):
        for number in range(len(IMAGENET_CATEGORIES)):
            folder = root / split / f'n{number:08d}'
            folder.mkdir(parents=True)
            os.link(root / 'image.jpg', folder / 'image.jpg')
    return root


def test_a_few_steps_of_the_recipe(imagenet, tmp_path):
    teacher = MODELS.build(ModelSource.read(Config.fromfile(CONFIG).model.teacher, 'teacher').cfg)
    torch.save(dict(state_dict=teacher.state_dict()), tmp_path / 'teacher.pth')
    few = [
        f'{loader}_dataloader.{key}={value}'
        for loader in ('train', 'val')
        for key, value in (
            ('batch_size', 2),
            ('num_workers', 0),
            ('persistent_workers', False),
            ('dataset.indices', 4),
        )
    ]
    options = [
        *few,
        f'model.teacher_ckpt={tmp_path / "teacher.pth"}',
        'train_cfg.max_epochs=1',
        'default_hooks.logger.interval=1',
        'optim_wrapper.optimizer.lr=0.001',
    ]
    flags = ('--data-root', str(imagenet))
    done = succeed(train(CONFIG, tmp_path / 'run', *options, flags=flags))
    steps = [line for line in scalars(tmp_path / 'run') if 'loss_icc' in line]
    assert len(steps) == 2
    for step in steps:
        assert step['loss_icc'] > 0
        assert step['loss_kl'] > 0
        assert step['loss'] > 0
    assert any('accuracy/top1' in line for line in scalars(tmp_path / 'run'))
    assert 'student backbone.layer4 (N, 512, 7, 7) -> ConvConnector' in done.stdout
    student = Config.fromfile(REPO / 'configs/baselines/resnet18_scratch_imagenet.py')
    plain = MODELS.build(
        dict(student.model, _scope_='mmpretrain', data_preprocessor=student.data_preprocessor)
    )
    plain.load_state_dict(load(tmp_path / 'run/epoch_1.pth')['state_dict'], strict=True)

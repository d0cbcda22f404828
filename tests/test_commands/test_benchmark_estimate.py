"""The estimate counts a step's arithmetic, times the step, and divides as it says."""

import argparse
import json

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from support.repository import ICKD, REPO, STUDENT
from torch import nn

import ickd_mm  # noqa: F401
from ickd_mm.commands.benchmark import estimate
from ickd_mm.commands.benchmark.batches import random_batch
from ickd_mm.preflight.image_size import config_image_size
from ickd_mm.registry import MODELS

CLASSIFIER = REPO / 'configs/baselines/resnet_student_digits.py'


def counted_by_hand(cfg, size):
    """Operations per image: forward, and twice that back, save for the images' own gradient."""
    forward = []

    def count(module, inputs, output):
        if isinstance(module, nn.Conv2d):
            per_output = module.in_channels // module.groups * module.kernel_size[0] ** 2
        else:
            per_output = module.in_features
        forward.append(2 * per_output * output[0].numel())

    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(count)
    model(torch.randn(2, 3, *size), mode='tensor')
    return 3 * sum(forward) - forward[0]


@pytest.mark.parametrize(
    ('file', 'images'),
    [(CLASSIFIER, 900 * 32), (REPO / 'configs/baselines/mobilenet_v2_cifar100.py', 240 * 50_000)],
    ids=('dense', 'depthwise'),
)
def test_the_arithmetic_of_a_step(file, images):
    cfg = Config.fromfile(file)
    found = estimate.estimate(str(file), images=2, speedup=50.0, rounds=1)
    assert found.gflops * 1e9 == pytest.approx(counted_by_hand(cfg, (32, 32)), rel=1e-6)
    assert found.images == images
    assert found.hours == pytest.approx(found.images * found.cpu_seconds / 50 / 3600)
    assert found.hours_on_8 == pytest.approx(found.hours / 8)
    assert found.cpu_seconds > 0


def test_the_speed_of_a_core():
    """A product of known size in processor time of its own: between 1 and 1000 GFLOP/s."""
    assert 1e9 < estimate.core_speed(rounds=2) < 1e12


def test_a_distiller_costs_its_teacher_too(tmp_path):
    """Its teacher's weights need not be there."""
    files = [str(STUDENT), str(ICKD)]
    threads = torch.get_num_threads()
    args = argparse.Namespace(
        configs=files, images=2, tflops=10.0, json=str(tmp_path / 'estimate.json')
    )
    estimate.run(args)
    alone, distilled = json.loads((tmp_path / 'estimate.json').read_text())
    assert distilled['gflops'] > 2 * alone['gflops']
    assert distilled['images'] == alone['images'] == 450 * 16
    assert distilled['cpu_seconds'] > alone['cpu_seconds']
    assert torch.get_num_threads() == threads


def test_images_of_a_training_by_epochs():
    loader = dict(dataset=dict(type='ImageNet'), batch_size=256)
    cfg = Config(dict(train_cfg=dict(max_epochs=2), train_dataloader=loader))
    assert estimate.training_images(cfg) == 2 * 1_281_167
    cfg.train_dataloader.dataset.type = 'Mine'
    with pytest.raises(ValueError, match="the length of 'Mine' is not known"):
        estimate.training_images(cfg)


@pytest.mark.parametrize(
    ('name', 'size'),
    [
        ('baselines/pspnet_student_digits', (64, 64)),
        ('ickd/deeplabv3plus_r101_r18_voc', (513, 513)),
        ('ickd/resnet34_resnet18_scratch_imagenet', (224, 224)),
        ('ickd/resnet32x4_resnet8x4_cifar100', (32, 32)),
        ('baselines/resnet8x4_cifar100', (32, 32)),
    ],
)
def test_the_size_of_the_training_images(name, size):
    cfg = Config.fromfile(REPO / f'configs/{name}.py')
    assert config_image_size(cfg)[0] == size
    batch = random_batch(cfg, 3, (8, 9))
    assert len(batch['inputs']) == len(batch['data_samples']) == 3
    assert all(image.shape == (3, 8, 9) for image in batch['inputs'])

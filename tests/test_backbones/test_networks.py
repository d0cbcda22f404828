"""Every network of the field: its size, its last map, that all of it trains."""

import math

import pytest
import torch
from mmengine.config import ConfigDict
from torch import nn

import ickd_mm
from ickd_mm import backbones as networks
from ickd_mm.features.taps import Capture, Tap
from ickd_mm.names import BACKBONES, HOMES
from ickd_mm.registry import MODELS

RESNETS = {8: 83_892, 14: 181_108, 20: 278_324, 32: 472_756, 44: 667_188, 56: 861_620,
           110: 1_736_564}  # fmt: skip
WIDE = dict(stem_channels=32, base_channels=64)

# name: backbone, channels that are pooled, parameters with 100 classes, tap, its shape
NETWORKS = {
    **{f'resnet{depth}': (dict(type='ickd_mm.CIFARResNet', depth=depth), 64, count,
                          'backbone[0]', (64, 8, 8)) for depth, count in RESNETS.items()},
    'resnet8x4': (dict(type='ickd_mm.CIFARResNet', depth=8, **WIDE), 256, 1_233_540,
                  'backbone[0]', (256, 8, 8)),
    'resnet32x4': (dict(type='ickd_mm.CIFARResNet', depth=32, **WIDE), 256, 7_433_860,
                   'backbone[0]', (256, 8, 8)),
    'resnet50': (dict(type='ResNet_CIFAR', depth=50), 2048, 23_705_252,
                 'backbone[0]', (2048, 4, 4)),
    'wrn_16_1': (dict(type='ickd_mm.CIFARWideResNet', depth=16), 64, 180_916,
                 'backbone[0]', (64, 8, 8)),
    'wrn_16_2': (dict(type='ickd_mm.CIFARWideResNet', depth=16, widen_factor=2), 128, 703_284,
                 'backbone[0]', (128, 8, 8)),
    'wrn_40_1': (dict(type='ickd_mm.CIFARWideResNet', depth=40), 64, 569_780,
                 'backbone[0]', (64, 8, 8)),
    'wrn_40_2': (dict(type='ickd_mm.CIFARWideResNet', depth=40, widen_factor=2), 128, 2_255_156,
                 'backbone[0]', (128, 8, 8)),
    'vgg8': (dict(type='ickd_mm.CIFARVGG', depth=8), 512, 3_965_028, 'backbone[0]', (512, 4, 4)),
    'vgg13': (dict(type='ickd_mm.CIFARVGG', depth=13), 512, 9_462_180,
              'backbone[0]', (512, 4, 4)),
    'mobilenet_v2': (dict(type='ickd_mm.CIFARMobileNetV2'), 1280, 812_836,
                     'backbone.layer7', (160, 2, 2)),
    'shufflenet_v1': (dict(type='ickd_mm.CIFARShuffleNetV1'), 960, 949_258,
                      'backbone[0]', (960, 4, 4)),
    'shufflenet_v2': (dict(type='ickd_mm.CIFARShuffleNetV2'), 1024, 1_355_528,
                      'backbone.layers.2', (464, 4, 4)),
}  # fmt: skip


def classifier(backbone, channels):
    return MODELS.build(
        ConfigDict(
            _scope_='mmpretrain',
            type='ImageClassifier',
            backbone=backbone,
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=100, in_channels=channels),
        )
    )


@pytest.mark.parametrize('row', NETWORKS.values(), ids=NETWORKS)
def test_a_network(row):
    backbone, channels, count, path, shape = row
    torch.manual_seed(0)
    model = classifier(backbone, channels)
    assert sum(p.numel() for p in model.parameters()) == count

    model.train()
    tap = Tap.parse(path)
    with Capture(model, [tap], 'student') as seen:
        logits = model(torch.randn(2, 3, 32, 32), mode='tensor')
    assert seen[tap].shape == (2, *shape)
    assert logits.shape == (2, 100)
    assert not seen.changed()
    (logits.square().sum() + seen[tap].square().sum()).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert not without
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())

    model.eval()
    assert not any(module.training for module in model.modules())
    images = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        together, alone = model(images, mode='tensor'), model(images[:1], mode='tensor')
    torch.testing.assert_close(together[:1], alone, rtol=1e-3, atol=1e-4)


def test_channels_last_is_a_layout_and_nothing_else():
    torch.manual_seed(0)
    plain, other = networks.CIFARResNet(8), networks.CIFARResNet(8, channels_last=True)
    other.load_state_dict(plain.state_dict())
    images = torch.randn(2, 3, 32, 32)
    (want,), (got,) = plain(images), other(images)
    assert want.is_contiguous()
    assert got.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)


def test_they_are_names_of_the_package_too():
    assert set(networks.__all__) == {n for n, home in HOMES.items() if home == BACKBONES}
    for name in networks.__all__:
        assert getattr(ickd_mm, name) is MODELS.get(f'ickd_mm.{name}')


def conv_std(model):
    """Standard deviation of every large convolution over sqrt(2 / fan-out), and over torch's."""
    found = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 5000:
            out, fan_in = module.weight.shape[0], module.weight[0].numel()
            area = module.kernel_size[0] * module.kernel_size[1]
            std = module.weight.std().item()
            found.append((std / math.sqrt(2 / (out * area)), std / math.sqrt(1 / (3 * fan_in))))
    return found


@pytest.mark.parametrize('name', ['resnet8x4', 'wrn_16_2', 'vgg8', 'mobilenet_v2'])
def test_most_start_normal_with_the_fan_out(name):
    torch.manual_seed(0)
    model = classifier(*NETWORKS[name][:2])
    model.init_weights()
    assert conv_std(model)
    assert all(abs(ours - 1) < 0.06 for ours, _ in conv_std(model))


@pytest.mark.parametrize('name', ['shufflenet_v1', 'shufflenet_v2'])
def test_shufflenets_start_as_torch_does(name):
    torch.manual_seed(0)
    model = classifier(*NETWORKS[name][:2])
    model.init_weights()
    assert conv_std(model)
    assert all(abs(ours - 1) < 0.06 for _, ours in conv_std(model))
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all((m.weight == 1).all() and (m.bias == 0).all() for m in norms)


@pytest.mark.parametrize(
    ('name', 'wrong', 'message'),
    [
        ('CIFARResNet', dict(depth=18), 'depth must be one of .*got 18'),
        ('CIFARWideResNet', dict(depth=18), r'depth must be 6n \+ 4 .*got 18'),
        ('CIFARWideResNet', dict(depth=16, widen_factor=0), 'widen_factor must be at least 1'),
        ('CIFARVGG', dict(depth=16), r'depth must be one of \(8, 13\), got 16'),
        ('CIFARMobileNetV2', dict(widen_factor=0.01), 'widen_factor must be at least 1/16'),
        ('CIFARShuffleNetV2', dict(widen_factor=3.0), 'widen_factor must be in'),
    ],
)
def test_errors_name_the_value(name, wrong, message):
    with pytest.raises(ValueError, match=message):
        getattr(ickd_mm, name)(**wrong)

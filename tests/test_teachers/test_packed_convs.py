"""Weights in oneDNN's order: the same convolutions, and back again bit for bit."""

import copy

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from support.repository import model_config
from torch import nn

from ickd_mm.features.taps import Tap
from ickd_mm.teachers.cpu.packed_convs import PackedConvolution, can_pack, pack, unpack
from ickd_mm.teachers.frozen_teacher import FrozenTeacher
from ickd_mm.teachers.options import TeacherOptions

pytestmark = pytest.mark.skipif(not can_pack(), reason='this PyTorch has no oneDNN')

CONVOLUTIONS = {
    'plain': dict(in_channels=6, out_channels=8, kernel_size=3),
    'strided': dict(in_channels=6, out_channels=8, kernel_size=3, stride=2, padding=1),
    'dilated': dict(in_channels=6, out_channels=8, kernel_size=3, dilation=4, padding=4),
    'grouped': dict(in_channels=6, out_channels=9, kernel_size=3, groups=3),
    'depthwise': dict(in_channels=6, out_channels=6, kernel_size=5, groups=6, bias=False),
    'pointwise': dict(in_channels=6, out_channels=8, kernel_size=1, bias=False),
    'oblong': dict(in_channels=6, out_channels=8, kernel_size=(1, 5), padding=(0, 2)),
}


def net(**settings):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(**settings), nn.ReLU()).eval().requires_grad_(False)


@torch.no_grad()
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('kind', CONVOLUTIONS)
def test_same_output_for_every_size(kind, layout):
    plain = net(**CONVOLUTIONS[kind]).to(memory_format=layout)
    packed = copy.deepcopy(plain)
    pack(packed, keep=set())
    assert isinstance(packed[0], PackedConvolution)
    for size in ((2, 6, 12, 12), (1, 6, 33, 17), (5, 6, 9, 9)):
        x = torch.randn(size)
        torch.testing.assert_close(packed(x), plain(x), rtol=1e-5, atol=1e-6)
        x = x.to(memory_format=torch.channels_last)
        torch.testing.assert_close(packed(x), plain(x), rtol=1e-5, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize('ran', [True, False])
@pytest.mark.parametrize('kind', CONVOLUTIONS)
def test_unpacking_gives_the_weights_back(kind, ran):
    plain = net(**CONVOLUTIONS[kind])
    packed = copy.deepcopy(plain)
    pack(packed, keep=set())
    if ran:
        packed(torch.randn(2, 6, 12, 12))
        assert not list(packed.parameters(recurse=True)), 'the weights would be there twice'
    unpack(packed)
    assert type(packed[0]) is nn.Conv2d
    for (name, p), (_, q) in zip(plain.named_parameters(), packed.named_parameters()):
        assert torch.equal(p, q), name
    assert not any(p.requires_grad for p in packed.parameters())


@pytest.mark.parametrize(
    'module',
    [
        nn.Conv2d(6, 8, 3, padding=1, padding_mode='reflect'),
        nn.Conv2d(6, 8, 3, padding='same'),
        nn.Conv2d(6, 8, 3).double(),
        nn.Conv2d(6, 8, 3).bfloat16(),
        nn.ConvTranspose2d(6, 8, 3),
        nn.Conv1d(6, 8, 3),
    ],
)
def test_what_is_not_packed(module):
    model = nn.Sequential(module)
    pack(model, keep=set())
    assert model[0] is module


def test_kept_hooked_and_shared_ones_are_not_packed():
    kept, hooked, first, second = (nn.Conv2d(6, 6, 3) for _ in range(4))
    hooked.register_forward_hook(lambda *_: None)
    second.weight = first.weight
    model = nn.Sequential(kept, hooked, first, second)
    pack(model, keep={kept})
    assert list(model) == [kept, hooked, first, second]


def frozen_teacher(**run):
    init_default_scope('mmseg')
    model = MODELS.build(model_config('pspnet_teacher_digits')).eval()
    taps = [Tap.parse('backbone.layer2')]
    return FrozenTeacher(model, taps, None, run=TeacherOptions(**run), size=(32, 32))


def packed(teacher):
    return any(isinstance(module, PackedConvolution) for module in teacher.model.modules())


@pytest.mark.parametrize(
    'run',
    [
        dict(cpu_kernels=False),
        dict(channels_last=False),
        dict(dtype='bf16'),
        pytest.param(dict(compile=dict(backend='eager')), marks=pytest.mark.slow),
    ],
)
def test_a_teacher_for_which_they_are_switched_off(run):
    teacher = frozen_teacher(**run)
    teacher(torch.randn(1, 3, 32, 32))
    assert not packed(teacher)


def test_a_teacher_uses_them_in_float32_on_a_cpu_alone():
    teacher, images = frozen_teacher(), torch.randn(1, 3, 32, 32)
    with torch.autocast('cpu', torch.bfloat16):
        teacher(images)
    assert not packed(teacher)
    teacher(images)
    assert packed(teacher)
    teacher.apply(lambda tensor: tensor.to('meta'))
    assert all(x.is_meta for x in teacher(images.to('meta')).values())
    assert not packed(teacher)

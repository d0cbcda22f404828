"""3×3 convolutions by transformed tiles: the same numbers as the plain sum."""

import copy

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import conv2d

from ickd_mm.teachers.cpu import winograd
from ickd_mm.teachers.cpu.packed_convs import can_pack, pack, unpack
from ickd_mm.teachers.cpu.winograd import Buffers, transform_weights, winograd_conv2d, winograd_pays

SHAPES = [(2, 16, 16), (1, 7, 7), (3, 33, 17), (1, 5, 40), (2, 3, 4), (1, 1, 1)]


def case(shape, channels=(24, 40), padding=1, dilation=1, seed=0):
    torch.manual_seed(seed)
    n, h, w = shape
    x = torch.randn(n, channels[0], h, w).relu().to(memory_format=torch.channels_last)
    weight = torch.randn(channels[1], channels[0], 3, 3) / (9 * channels[0]) ** 0.5
    return x, weight, torch.randn(channels[1]), padding, dilation


def error(got, wanted):
    return ((got - wanted).norm() / wanted.norm()).item()


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize(
    ('padding', 'dilation'), [(1, 1), (2, 2), (4, 4), (0, 1), (3, 1), (1, 2), (5, 3)]
)
@pytest.mark.parametrize('with_bias', [True, False])
def test_the_plain_sum_in_float64(shape, padding, dilation, with_bias):
    x, weight, bias, *settings = case(shape, padding=padding, dilation=dilation)
    bias = bias if with_bias else None
    if min(shape[1:]) + 2 * (padding - dilation) < 1:
        pytest.skip('no output')
    wide = None if bias is None else bias.double()
    wanted = conv2d(x.double(), weight.double(), wide, 1, padding, dilation)
    got = winograd_conv2d(x, transform_weights(weight), bias, *settings)
    assert got.shape == wanted.shape
    assert got.is_contiguous(memory_format=torch.channels_last)
    assert error(got, wanted) < 3e-6


@pytest.mark.parametrize('chunk', [36 * 25 * 40 * 2, 36 * 5 * 40 * 2, 1])
@pytest.mark.parametrize(('padding', 'dilation'), [(1, 1), (0, 1), (4, 2)])
def test_parts_give_the_same(chunk, padding, dilation, monkeypatch):
    """Two images at a time, two rows of tiles at a time, one: the last part is smaller."""
    x, weight, bias, *settings = case((5, 20, 20), padding=padding, dilation=dilation)
    turned = transform_weights(weight)
    whole = winograd_conv2d(x, turned, bias, *settings)
    monkeypatch.setattr(winograd, 'CHUNK', chunk)
    torch.testing.assert_close(winograd_conv2d(x, turned, bias, *settings), whole)


def test_many_channels_are_transformed_in_slices(monkeypatch):
    weight = case((1, 1, 1))[1]
    whole = transform_weights(weight)
    monkeypatch.setattr(winograd, 'SLICE', 7)
    torch.testing.assert_close(transform_weights(weight), whole)


def test_results_outlive_the_buffers_they_were_worked_out_in():
    buffers, kept = Buffers(), []
    for seed, shape in enumerate([(2, 16, 16), (1, 40, 24), (3, 5, 9)]):
        x, weight, bias, *settings = case(shape, seed=seed)
        with torch.inference_mode(seed == 0):  # the buffers live on outside
            got = winograd_conv2d(x, transform_weights(weight), bias, *settings, buffers)
        kept.append((got, conv2d(x, weight, bias, 1, *settings)))
    for got, wanted in kept:
        assert error(got, wanted) < 3e-6


def test_an_input_that_is_too_small():
    x, weight, bias, *_ = case((1, 2, 9))
    with pytest.raises(ValueError, match='2×9 with padding 0 is too small for dilation 1'):
        winograd_conv2d(x, transform_weights(weight), bias, 0, 1)


@pytest.mark.parametrize(
    ('settings', 'shape', 'wanted'),
    [
        (dict(), (2, 256, 32, 32), True),
        (dict(padding=4, dilation=4), (2, 256, 32, 32), True),
        (dict(), (16, 256, 7, 7), True),
        (dict(), (1, 256, 7, 7), False),  # four tiles
        (dict(), (16, 256, 5, 5), False),  # tiles mostly empty
        (dict(stride=2), (2, 256, 32, 32), False),
        (dict(groups=2), (2, 256, 32, 32), False),
        (dict(kernel_size=1, padding=0), (2, 256, 32, 32), False),
        (dict(kernel_size=5, padding=2), (2, 256, 32, 32), False),
        (dict(padding=(1, 2)), (2, 256, 32, 32), False),
        (dict(padding=(1, 2), dilation=(1, 2)), (2, 256, 32, 32), False),
        (dict(padding=0), (2, 256, 2, 32), False),
        (dict(out_channels=16), (2, 256, 32, 32), False),
    ],
)
def test_when_it_pays(settings, shape, wanted):
    channels = dict(in_channels=256, out_channels=256, kernel_size=3, padding=1)
    assert winograd_pays(nn.Conv2d(**{**channels, **settings}), torch.Size(shape)) is wanted


@pytest.mark.skipif(not can_pack(), reason='this PyTorch has no oneDNN')
@torch.no_grad()
@pytest.mark.parametrize('allowed', [True, False])
def test_in_a_packed_model(allowed, monkeypatch):
    calls = []

    def counted(*args):
        calls.append(args)
        return winograd_conv2d(*args)

    monkeypatch.setattr('ickd_mm.teachers.cpu.packed_convs.winograd_conv2d', counted)
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(128, 128, 3, padding=2, dilation=2), nn.ReLU()).eval()
    packed = copy.deepcopy(plain)
    pack(packed, keep=set(), winograd=allowed)
    for size in ((2, 128, 24, 24), (1, 128, 9, 31)):  # the second is computed the same way
        x = torch.randn(size).to(memory_format=torch.channels_last)
        assert error(packed(x), plain(x)) < 3e-6
    assert len(calls) == 2 * allowed
    again = copy.deepcopy(plain)
    pack(again, keep=set(), winograd=allowed)
    with FakeTensorMode(allow_non_fake_inputs=True):
        assert again(torch.randn(2, 128, 24, 24)).shape == (2, 128, 24, 24)
    assert error(again(x), plain(x)) < 3e-6
    unpack(packed)
    assert type(packed[0]) is nn.Conv2d
    assert torch.equal(packed[0].weight, plain[0].weight)


@pytest.mark.skipif(not can_pack(), reason='this PyTorch has no oneDNN')
@torch.no_grad()
def test_what_is_not_finite_stays_so():
    layer = nn.Sequential(nn.Conv2d(128, 128, 3, padding=1)).eval()
    pack(layer, keep=set())
    x = torch.randn(2, 128, 16, 16).to(memory_format=torch.channels_last)
    x[0, 3, 5, 5] = float('inf')
    y = layer(x)
    assert not y[0].isfinite().all()
    assert y[1].isfinite().all()

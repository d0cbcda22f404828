"""The frozen teacher's features, however they are computed."""

import copy
import logging

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from support.repository import model_config
from torch import nn

from ickd_mm.features.taps import Capture, Tap
from ickd_mm.teachers.frozen_teacher import FrozenTeacher
from ickd_mm.teachers.options import TeacherOptions

TAPS = [Tap.parse('backbone.layer2'), Tap.parse('decode_head.bottleneck')]


@pytest.fixture(scope='module')
def pspnet():
    init_default_scope('mmseg')
    torch.manual_seed(0)
    model = MODELS.build(model_config('pspnet_teacher_digits')).eval()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return model


def teacher(model, taps=TAPS, **run):
    return FrozenTeacher(copy.deepcopy(model), taps, None, run=TeacherOptions(**run), size=(64, 64))


@torch.no_grad()
def reference(model, images, taps=TAPS):
    model, images = copy.deepcopy(model).double(), images.double()
    with Capture(model, taps, 'teacher') as seen:
        model(images, mode='tensor')
    return [seen[tap] for tap in taps]


def worst(got, want):
    return max(((a.double() - b).norm() / b.norm()).item() for a, b in zip(got.values(), want))


@pytest.mark.parametrize('fold', [True, False])
@pytest.mark.parametrize('channels_last', [True, False])
@pytest.mark.parametrize('size', [(2, 3, 64, 64), (1, 3, 40, 72)])
def test_exact_savings_are_exact(pspnet, size, channels_last, fold):
    images = torch.randn(size)
    frozen = teacher(pspnet, fold=fold, channels_last=channels_last)
    norms = [m for m in frozen.model.backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    assert bool(norms) != fold
    got = frozen(images)
    assert worst(got, reference(pspnet, images)) < 1e-5
    assert all(x.dtype == torch.float32 and not x.requires_grad for x in got.values())


@pytest.mark.parametrize(
    'path', ['backbone.layer1.0.conv1', 'backbone.layer1.0.bn1', 'backbone.stem.0']
)
def test_a_tapped_convolution_or_norm_keeps_its_value(pspnet, path):
    taps, images = [Tap.parse(path), TAPS[0]], torch.randn(2, 3, 64, 64)
    # The stem's activation works in place on the norm's output: a copy is taken, as for students.
    copies = frozenset(taps[:1])
    frozen = FrozenTeacher(copy.deepcopy(pspnet), taps, None, copies, TeacherOptions(), (64, 64))
    with torch.no_grad(), Capture(pspnet, taps, 'teacher', copies=copies) as seen:
        pspnet(images, mode='tensor')
    for tap, feature in frozen(images).items():
        torch.testing.assert_close(feature, seen[tap], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('dtype', ['bf16', 'fp16'])
def test_a_lower_precision_is_near_and_comes_back_in_float32(pspnet, dtype):
    images = torch.randn(2, 3, 64, 64)
    got = teacher(pspnet, dtype=dtype)(images)
    assert all(x.dtype == torch.float32 for x in got.values())
    assert 1e-5 < worst(got, reference(pspnet, images)) < 5e-2


def test_float32_can_be_kept_under_autocast(pspnet):
    images = torch.randn(2, 3, 64, 64)
    exact, follows = teacher(pspnet, dtype='fp32'), teacher(pspnet)
    with torch.autocast('cpu', torch.bfloat16):
        kept, cast = exact(images), follows(images)
    want = reference(pspnet, images)
    assert worst(kept, want) < 1e-5 < worst(cast, want) < 5e-2
    assert worst(follows(images), want) < 1e-5  # packed again, after the autocast


def test_moving_and_casting_unpacks_first(pspnet):
    images = torch.randn(2, 3, 64, 64)
    frozen = teacher(pspnet)
    before = frozen(images)
    frozen.apply(lambda x: x.double() if x.is_floating_point() else x)
    assert all(p.dtype == torch.float64 for p in frozen.model.parameters())
    assert worst(frozen(images.double()), reference(pspnet, images)) < 1e-5
    frozen.apply(lambda x: x.float() if x.is_floating_point() else x)
    for tap, feature in frozen(images).items():
        assert torch.equal(feature, before[tap])


def test_a_dtype_that_was_asked_for_survives_a_move(pspnet):
    frozen = teacher(pspnet, dtype='bf16')
    frozen.apply(lambda x: x.float() if x.is_floating_point() else x)
    assert all(p.dtype == torch.bfloat16 for p in frozen.model.parameters())


class Views(nn.Module):
    """A backbone that cannot have its channels last: it asks for a view of its map."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.last = nn.Linear(8 * 18 * 18, 8)

    def forward(self, images, mode='tensor'):
        x = self.bn(self.conv(images))
        return self.last(x.view(len(x), -1))


def test_a_model_that_cannot_have_channels_last_runs_without(caplog):
    torch.manual_seed(0)
    taps, images = [Tap.parse('last')], torch.randn(2, 3, 20, 20)
    model = Views().eval()
    want = model(images)
    with caplog.at_level(logging.WARNING):
        frozen = FrozenTeacher(model, taps, None, run=TeacherOptions(), size=(20, 20))
    torch.testing.assert_close(frozen(images)[taps[0]], want.detach(), rtol=1e-5, atol=1e-6)
    assert isinstance(model.bn, nn.Identity)


class Mixes(Views):
    """Casts its images itself, to what its weights no longer are."""

    def forward(self, images, mode='tensor'):
        return super().forward(images.float())


class Refuses(Views):
    """Takes float32 alone."""

    def forward(self, images, mode='tensor'):
        if images.dtype != torch.float32:
            raise TypeError(images.dtype)
        return super().forward(images)


def test_a_model_that_makes_tensors_of_float32_runs_in_another_dtype():
    """As DETR does with its positions."""
    torch.manual_seed(0)
    model, taps, images = Mixes().eval(), [Tap.parse('last')], torch.randn(2, 3, 20, 20)
    want = model(images).detach()
    frozen = FrozenTeacher(model, taps, None, run=TeacherOptions(dtype='bf16'), size=(20, 20))
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    got = frozen(images)[taps[0]]
    assert got.dtype == torch.float32
    assert 0 < (got - want).norm() / want.norm() < 0.02


def test_a_model_that_cannot_run_in_a_dtype_says_so_at_once():
    run = TeacherOptions(dtype='bf16')
    with pytest.raises(ValueError, match=r"teacher_run.dtype='bf16': the teacher cannot run in it"):
        FrozenTeacher(Refuses().eval(), [Tap.parse('last')], None, run=run, size=(20, 20))


@pytest.mark.slow
def test_a_compiled_teacher_gives_the_same_features(pspnet):
    images = torch.randn(2, 3, 64, 64)
    frozen = teacher(pspnet, compile=dict(backend='aot_eager'))
    assert worst(frozen(images), reference(pspnet, images)) < 1e-5
    again = torch.randn(2, 3, 64, 64)
    assert worst(frozen(again), reference(pspnet, again)) < 1e-5

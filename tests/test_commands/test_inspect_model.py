"""What the inspection says of a model is what the model does."""

import re

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from support.repository import REPO
from torch import nn

from ickd_mm.commands.inspect.inspect_model import inspect_model
from ickd_mm.features.taps import Capture, Tap
from ickd_mm.registry import MODELS


class Odd(BaseModel):
    """Has one of every kind of module that the inspection must tell apart."""

    def __init__(self, fails_on_fakes=False):
        super().__init__()
        self.fails_on_fakes = fails_on_fakes
        self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.twice = nn.ReLU()
        self.parts = nn.ModuleList([nn.Linear(4, 5), nn.Linear(4, 6)])
        self.aside = nn.Linear(4, 4)
        self.bypassed = nn.Sequential(nn.Identity())
        self.split = Split()
        self.count = Count()

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if self.fails_on_fakes and float(inputs.sum()) == 0:
            raise AssertionError('zeros')
        x = self.twice(self.twice(self.conv(inputs)))
        self.bypassed.forward(x)
        x, _ = self.split(x)
        self.count(x)
        return [part(x.mean((2, 3))) for part in self.parts]


class Split(nn.Module):
    def forward(self, x):
        return x, (x[:, :1], 'text')


class Count(nn.Module):
    def forward(self, x):
        return len(x)


def described(seen):
    return {o.path: (o.shape, o.why_not) for o in seen.outputs}


@pytest.mark.parametrize('fails_on_fakes', [False, True])
def test_shapes_and_reasons(fails_on_fakes):
    seen = inspect_model(Odd(fails_on_fakes), (8, 6))
    found = described(seen)
    assert found['conv'] == ((4, 8, 6), '')
    assert found['twice#1'] == found['twice#2'] == ((4, 8, 6), '')
    assert found['parts.0'] == ((5,), '')
    assert found['parts.1'] == ((6,), '')
    assert found['parts'] == (None, 'a container: tap its elements')
    assert found['aside'] == (None, 'does not run')
    assert found['bypassed'] == (None, 'its forward is called past its hooks: tap its parts')
    assert found['split[0]'] == ((4, 8, 6), '')
    assert found['split[1][0]'] == ((1, 8, 6), '')
    assert found['split[1][1]'] == (None, 'does not give a tensor: str')
    assert found['count'] == (None, 'does not give a tensor: int')
    assert 'split' not in found
    assert '' not in found
    assert seen.flops == 8 * 6 * 4 * 3 * 9 + 4 * 5 + 4 * 6
    assert seen.parameters == 4 * 3 * 9 + 5 * 5 + 5 * 6 + 5 * 4


def test_the_model_is_left_as_it_was():
    model = Odd().train()
    model.conv.eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    torch.manual_seed(3)
    inspect_model(model, (8, 8))
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(1))
    assert model.training
    assert not model.conv.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not any(m._forward_hooks for m in model.modules())


def test_what_ran_before_an_error_is_shown_and_no_hook_stays():
    model = Odd()
    model.parts[1] = nn.Linear(7, 6)
    seen = inspect_model(model, (8, 8))
    assert described(seen)['conv'] == ((4, 8, 8), '')
    assert re.search(
        r'the model \(Odd\) cannot run on images of 8x8 .*mat1 and mat2 shapes cannot be multiplied'
        r".*; the last of its modules that ran is 'parts.0'",
        seen.fault,
    )
    assert not any(m._forward_hooks for m in model.modules())
    model.conv = nn.Conv2d(4, 4, 1)
    model.conv.forward = None
    with pytest.raises(RuntimeError, match='none of its modules ran'):
        inspect_model(model, (8, 8))


def test_a_model_that_trains_otherwise_is_shown_as_a_student_and_as_a_teacher():
    class Branches(Odd):
        def forward(self, inputs, data_samples=None, mode='tensor'):
            x = self.conv(inputs)
            x = self.split(x) if self.training else self.twice(x)
            return self.twice(x[0]) if self.training else self.aside(x.transpose(1, 3))

    student, teacher = ({o.path for o in inspect_model(Branches(), (8, 6), trains).outputs}
                        for trains in (True, False))  # fmt: skip
    assert {'split[0]', 'twice'} <= student
    assert {'split', 'twice', 'aside'} <= teacher


def test_every_output_said_to_be_tappable_can_be_tapped(scope):
    model = MODELS.build(Config.fromfile(REPO / 'configs/baselines/pspnet_student_digits.py').model)
    seen = inspect_model(model.eval(), (64, 64))
    good = [o for o in seen.outputs if not o.why_not]
    assert {'backbone[3]', 'backbone.layer4', 'decode_head.bottleneck'} <= {o.path for o in good}
    taps = [Tap.parse(o.path) for o in good]
    with torch.no_grad(), Capture(model, taps, 'student') as capture:
        model(torch.randn(3, 3, 64, 64), mode='tensor')
    assert [tuple(capture[tap].shape) for tap in taps] == [(3, *o.shape) for o in good]


def test_attention_is_counted(scope):
    """A ViT's multiply-adds by hand: projections, the two attention products, the MLPs, head."""
    width, tokens, hidden, layers = 24, 50, 48, 2
    model = MODELS.build(
        dict(
            type='mmpretrain.ImageClassifier',
            data_preprocessor=dict(mean=[0.0], std=[255.0], num_classes=5, to_rgb=True),
            backbone=dict(
                type='VisionTransformer',
                img_size=224,
                patch_size=32,
                arch=dict(
                    embed_dims=width, num_layers=layers, num_heads=2, feedforward_channels=hidden
                ),
            ),
            head=dict(type='VisionTransformerClsHead', num_classes=5, in_channels=width),
            _scope_='mmpretrain',
        )
    )
    block = tokens * width * (4 * width + 2 * hidden) + 2 * tokens * tokens * width
    by_hand = (tokens - 1) * width * 3 * 32 * 32 + layers * block + width * 5
    assert inspect_model(model, (224, 224)).flops == by_hand

"""Students that do something else in training than in evaluation."""

import pytest
import torch
from mmengine.config import ConfigDict
from support.models import batch
from support.repository import model_config

from ickd_mm.features.dry_run import dry_run_features
from ickd_mm.features.taps import Capture, Tap, TapError
from ickd_mm.registry import MODELS

pytestmark = pytest.mark.slow

PREPROCESSOR = model_config('pspnet_student_digits').data_preprocessor
NORM = dict(type='BN', requires_grad=True)
DDRNET = dict(
    type='EncoderDecoder',
    data_preprocessor=PREPROCESSOR,
    backbone=dict(type='DDRNet', channels=8, ppm_channels=8, norm_cfg=NORM),
    decode_head=dict(type='DDRHead', in_channels=32, channels=8, num_classes=11, norm_cfg=NORM,
                     loss_decode=[dict(type='CrossEntropyLoss')] * 2),
)  # fmt: skip
PIDNET = dict(
    type='EncoderDecoder',
    data_preprocessor=PREPROCESSOR,
    backbone=dict(type='PIDNet', channels=8, ppm_channels=8, num_stem_blocks=1,
                  num_branch_blocks=1, norm_cfg=NORM),
    decode_head=dict(type='PIDHead', in_channels=32, channels=8, num_classes=11, norm_cfg=NORM,
                     loss_decode=[dict(type='CrossEntropyLoss'), dict(type='OhemCrossEntropy'),
                                  dict(type='BoundaryLoss'), dict(type='OhemCrossEntropy')]),
)  # fmt: skip
OCRNET = dict(
    type='CascadeEncoderDecoder',
    num_stages=2,
    data_preprocessor=PREPROCESSOR,
    backbone=dict(model_config('pspnet_student_digits').backbone, with_cp=False),
    decode_head=[
        dict(type='FCNHead', in_channels=64, in_index=3, channels=8, num_convs=1,
             concat_input=False, num_classes=11, norm_cfg=NORM),
        dict(type='OCRHead', in_channels=64, in_index=3, channels=8, ocr_channels=8,
             num_classes=11, norm_cfg=NORM),
    ],
)  # fmt: skip


def build(cfg, student, tap):
    cfg.student = ConfigDict(student)
    cfg.pairs.loss_icc.student = tap
    return MODELS.build(cfg)


def train(model):
    data = model.data_preprocessor(batch(), training=True)
    for sample in data['data_samples']:
        sample.gt_edge_map = sample.gt_sem_seg
    losses = model.train()(**data, mode='loss')
    sum(v for k, v in losses.items() if 'loss' in k).backward()
    return losses['loss_icc']


@pytest.mark.parametrize(('student', 'parts'), [(DDRNET, 2), (PIDNET, 3)], ids=['DDR', 'PID'])
def test_a_backbone_that_gives_a_tuple_in_training_alone(student, parts, distiller_cfg, scope):
    said = (
        rf"student tap 'backbone' must give an \(N, C, H, W\) tensor, it gives a tuple of {parts}: "
        rf'a tensor .*; pick with backbone\[i\], i from 0 to {parts - 1}$'
    )
    with pytest.raises(TapError, match=said):
        build(distiller_cfg, student, 'backbone')
    assert train(build(distiller_cfg, student, 'backbone[1]')) > 0


def test_a_head_that_runs_twice_in_training_alone(distiller_cfg, scope):
    """In OCRNet's loss the first head runs for its own loss, and again for the second head's."""
    tap = 'decode_head.0.convs.0'
    with pytest.raises(TapError) as caught:
        build(distiller_cfg, OCRNET, tap)
    assert str(caught.value) == (
        f"student tap '{tap}' runs 2 times in a training step; say which run is meant: '{tap}#1' "
        f"is the first, '{tap}#2' the last"
    )
    with pytest.raises(TapError, match=rf"'{tap}#3' means run 3, its module runs 2 times in a t"):
        build(distiller_cfg, OCRNET, f'{tap}#3')
    model = build(distiller_cfg, OCRNET, f'{tap}#2')
    assert train(model) > 0

    seen, conv = [], model.decode_head[0].convs[0]
    conv.register_forward_hook(lambda *args: seen.append(args[-1]))
    model.eval()
    first, second = (Tap.parse(f'{tap}#{n}') for n in (1, 2))
    data = model.data_preprocessor(batch(), training=True)
    with Capture(model.student, [first, second], 'student') as capture:
        model.student(**data, mode='loss')
    assert capture[first] is seen[0]
    assert capture[second] is seen[1]


class Counting(torch.nn.Identity):
    """Counts its runs in training, in a buffer that it replaces and in an attribute."""

    def __init__(self):
        super().__init__()
        self.register_buffer('runs', torch.zeros(1))
        self.last = None

    def forward(self, x):
        self.runs = self.runs + self.training
        self.last = x
        return x


@pytest.mark.parametrize('uncopied', [True, False])
@pytest.mark.parametrize('fake', [True, False])
def test_the_dry_run_of_a_student_in_training_leaves_no_trace(scope, fake, uncopied, monkeypatch):
    if not fake:
        monkeypatch.setattr('ickd_mm.features.dry_run.FakeTensorMode', None)
    student = MODELS.build(ConfigDict(OCRNET, _scope_='mmseg'))
    student.decode_head[0].dropout.train(False)
    student.backbone.maxpool = torch.nn.Sequential(student.backbone.maxpool, Counting())
    if uncopied:
        monkeypatch.setattr(Counting, '__deepcopy__', lambda *_: 1 / 0, raising=False)

    def snapshot():
        held = [*student.named_parameters(), *student.named_buffers()]
        modes = {name: module.training for name, module in student.named_modules()}
        return {name: x.detach().clone() for name, x in held}, modes, torch.get_rng_state()

    before = snapshot()
    tap = Tap.parse('backbone[0]')
    capture = dry_run_features(student, [tap], 'student', (64, 64))
    assert capture[tap].shape == (2, 8, 16, 16)
    assert uncopied or student.backbone.maxpool[1].last is None
    torch.testing.assert_close(snapshot(), before, rtol=0, atol=0)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in student.modules())
    assert all(p.grad is None for p in student.parameters())

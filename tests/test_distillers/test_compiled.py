"""``cfg.compile`` compiles the student; the teacher and the pairs stay out of its graphs."""

import pytest
import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmengine.optim import OptimWrapper
from support.models import batch

from ickd_mm.registry import MODELS

pytestmark = pytest.mark.slow
STEPS = 3


@MODELS.register_module(force=True)
class TwoConvs(BaseModule):
    def __init__(self, channels):
        super().__init__()
        sizes = dict(kernel_size=3, stride=2, padding=1, norm_cfg=dict(type='BN'))
        self.stem = ConvModule(3, channels, **sizes)
        self.last = ConvModule(channels, channels, **sizes)

    def forward(self, x):
        return (self.last(self.stem(x)),)


def segmentor(channels):
    return dict(
        type='mmseg.EncoderDecoder',
        data_preprocessor=dict(
            type='mmseg.SegDataPreProcessor', size=(32, 32), mean=[0.0] * 3, std=[255.0] * 3
        ),
        backbone=dict(type='ickd_mm.TwoConvs', channels=channels),
        decode_head=dict(
            type='mmseg.FCNHead', in_channels=channels, in_index=0, channels=channels, num_convs=0,
            concat_input=False, num_classes=11, dropout_ratio=0.0),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )  # fmt: skip


def distiller(folder):
    weights = folder / 'teacher.pth'
    torch.save(MODELS.build(segmentor(12)).state_dict(), weights)
    pair = dict(
        student='backbone.last',
        teacher='backbone.last',
        connector=dict(type='ickd_mm.ConvConnector'),
        loss=dict(type='ickd_mm.ICKDLoss', grid=2),
    )
    return dict(
        type='ickd_mm.FeatureDistiller',
        student=segmentor(8),
        teacher=segmentor(12),
        teacher_ckpt=str(weights),
        pairs=dict(loss_icc=pair),
    )


def train(cfg, compiled):
    """Return the losses of a few steps, and after each what was compiled until then."""
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    model.train()
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.01, momentum=0.9))
    torch._dynamo.reset()
    counters = torch._dynamo.utils.counters
    counters.clear()
    if compiled:  # as mmengine's runner does
        model.train_step = torch.compile(model.train_step, backend='eager')
    losses, frames = [], []
    for _ in range(STEPS):
        step = model.train_step(batch(size=32), wrapper)
        losses.append({key: float(value) for key, value in step.items()})
        frames.append(counters['frames']['total'])
    return losses, frames, counters['stats']['calls_captured']


def test_compiled_training_is_the_same_and_compiles_the_student_alone(scope, tmp_path):
    cfg = distiller(tmp_path)
    want, none, _ = train(cfg, compiled=False)
    losses, frames, calls = train(cfg, compiled=True)
    _, plain_frames, plain_calls = train(segmentor(8), compiled=True)
    assert none == [0] * STEPS
    for got, expected in zip(losses, want):
        assert got == pytest.approx(expected, rel=1e-5)
    assert losses[0]['loss_icc'] > 0.1

    def growth(counts):
        return [after - before for before, after in zip(counts, counts[1:])]

    assert growth(frames) == growth(plain_frames)
    assert plain_frames[0] < frames[0] <= plain_frames[0] + 5
    # The optimizer's calls for the connector's parameters are all that is added.
    assert plain_calls < calls < 1.3 * plain_calls

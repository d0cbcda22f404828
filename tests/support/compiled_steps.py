"""Compile students, alone and distilled; run as a program, time the first step of the digits'.

    PYTHONPATH=tests python -m support.compiled_steps [eager|inductor]

It prints the CPU seconds of a compiled first step, the C++ compiler's included. Each is a process
of its own, without caches; the two take turns.
"""

import os
import statistics
import subprocess
import sys
from pathlib import Path

import torch
from mmcv.cnn import ConvModule
from mmengine.config import Config
from mmengine.model import BaseModule
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope

from ickd_mm.registry import MODELS
from support.models import batch
from support.repository import ICKD, STUDENT

ROUNDS = 2


@MODELS.register_module(force=True)
class TwoConvs(BaseModule):
    """A backbone of two convolutions."""

    def __init__(self, channels):
        super().__init__()
        sizes = dict(kernel_size=3, stride=2, padding=1, norm_cfg=dict(type='BN'))
        self.stem = ConvModule(3, channels, **sizes)
        self.last = ConvModule(channels, channels, **sizes)

    def forward(self, x):
        return (self.last(self.stem(x)),)


def segmentor(channels=8):
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
    """The same student with a teacher, whose weights are written to ``folder``."""
    weights = Path(folder, 'teacher.pth')
    torch.save(MODELS.build(segmentor(12)).state_dict(), weights)
    pair = dict(
        student='backbone.last',
        teacher='backbone.last',
        connector=dict(type='ickd_mm.ConvConnector'),
        loss=dict(type='ickd_mm.ICKDLoss', grid=2),
    )
    return dict(
        type='ickd_mm.FeatureDistiller',
        student=segmentor(),
        teacher=segmentor(12),
        teacher_ckpt=str(weights),
        pairs=dict(loss_icc=pair),
    )


def stepper(cfg, backend=None, size=32):
    """Return a function that trains the model for one step, compiled as mmengine compiles it."""
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    model.train()
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.01, momentum=0.9))
    if backend is not None:
        model.train_step = torch.compile(model.train_step, backend=backend)
    return lambda: model.train_step(batch(size=size), wrapper)


def cpu_seconds():
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def time_first_step(kind, backend):
    init_default_scope('mmseg')
    cfg = Config.fromfile(STUDENT if kind == 'alone' else ICKD)
    step = stepper(cfg.model, backend, size=64)
    start = cpu_seconds()
    step()
    print(f'{cpu_seconds() - start:.2f}')


def main(backend):
    env = dict(os.environ, OMP_NUM_THREADS='1', TORCHINDUCTOR_COMPILE_THREADS='1',
               TORCHINDUCTOR_FORCE_DISABLE_CACHES='1')  # fmt: skip
    seconds = {'alone': [], 'distilled': []}
    for _ in range(ROUNDS):
        for kind, found in seconds.items():
            command = [sys.executable, '-W', 'ignore', '-m', __spec__.name, backend, kind]
            done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
            found.append(float(done.stdout.split()[-1]))
    alone, distilled = (statistics.median(found) for found in seconds.values())
    print(f'{backend}: {seconds}; {alone:.1f} s and {distilled:.1f} s, {distilled / alone:.2f} x')


if __name__ == '__main__':
    if len(sys.argv) > 2:
        time_first_step(sys.argv[2], sys.argv[1])
    else:
        main(*sys.argv[1:] or ['inductor'])

"""What a distilled run says about itself."""

import pytest
from support.repository import TEACHER, model_config

from ickd_mm.registry import MODELS

pytestmark = pytest.mark.slow


def count(part):
    return sum(p.numel() for p in part.parameters())


@pytest.mark.parametrize(
    ('named', 'run', 'size', 'dtype'), [(True, 'bf16', 2, 'bfloat16'), (False, None, 4, 'float32')]
)
def test_every_line(distiller_cfg, scope, named, run, size, dtype):
    distiller_cfg.teacher_run = dict(dtype=run)
    if named:
        distiller_cfg.teacher = str(TEACHER)
    between = dict(distiller_cfg.pairs.loss_icc)
    tap = dict(student='decode_head.bottleneck', teacher='decode_head.bottleneck')
    distiller_cfg.pairs.loss_head = {**between, **tap}
    model = MODELS.build(distiller_cfg)
    teacher = MODELS.build(model_config('pspnet_teacher_digits'))
    runs = count(teacher) - count(teacher.decode_head.conv_seg)
    assert model.summary().splitlines() == [
        f"Teacher: '{TEACHER if named else 'EncoderDecoder'}' with "
        f"'{distiller_cfg.teacher_ckpt}'; {runs:,} of its {count(teacher):,} parameters run, "
        f'its weights take {count(teacher) * size / 2**20:.1f} MiB in {dtype}',
        'loss_icc: student backbone.layer4 (N, 64, 16, 16) -> ConvConnector | teacher '
        f'backbone.layer4 (N, 192, 16, 16) | {model.losses.loss_icc}',
        'loss_head: student decode_head.bottleneck (N, 16, 16, 16) -> ConvConnector | teacher '
        f'decode_head.bottleneck (N, 48, 16, 16) | {model.losses.loss_head}',
        f'Connectors and losses: {count(model.connectors):,} parameters, only in training; the '
        f'student has {count(model.student):,}',
    ]


def test_shapes_are_those_of_the_training_images(distiller):
    distiller.check_training((32, 48))
    assert 'backbone.layer4 (N, 64, 8, 12) -> ConvConnector' in distiller.summary()


def test_it_is_said_once_above_the_first_iteration(distilled):
    log = next(distilled[1].glob('*/*.log')).read_text()
    before, _, after = log.partition('Teacher: ')
    assert 'Hooks will be executed' in before
    assert 'Iter(train)' not in before
    lines = after.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ['loss_icc:', 'Connectors']
    assert lines[3] == 'Training images are 64x64; every pair fits them'
    assert 'Folded' not in log
    assert log.count('Teacher: ') == log.count('every pair fits') == 1

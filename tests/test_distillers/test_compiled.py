"""``cfg.compile`` compiles the student; the teacher and the pairs stay out of its graphs."""

import pytest
import torch
from support.compiled_steps import distiller, segmentor, stepper

pytestmark = pytest.mark.slow
STEPS = 3


def train(cfg, backend=None):
    """Return the losses of a few steps, and after each what was compiled until then."""
    torch._dynamo.reset()
    counters = torch._dynamo.utils.counters
    counters.clear()
    step, losses, frames = stepper(cfg, backend), [], []
    for _ in range(STEPS):
        losses.append({key: float(value) for key, value in step().items()})
        frames.append(counters['frames']['total'])
    return losses, frames, counters['stats']['calls_captured']


def growth(counts):
    return [after - before for before, after in zip(counts, counts[1:])]


def test_compiled_training_is_the_same_and_compiles_the_student_alone(scope, tmp_path):
    cfg = distiller(tmp_path)
    want, none, _ = train(cfg)
    losses, frames, calls = train(cfg, 'eager')
    _, plain_frames, plain_calls = train(segmentor(), 'eager')
    assert none == [0] * STEPS
    for got, expected in zip(losses, want):
        assert got == pytest.approx(expected, rel=1e-5)
    assert losses[0]['loss_icc'] > 0.1
    assert growth(frames) == growth(plain_frames)
    assert plain_frames[0] < frames[0] <= plain_frames[0] + 7  # around what stays out
    # All that is added is the optimizer's work on the connector.
    assert plain_calls < calls < 1.3 * plain_calls


def test_without_labels(scope, tmp_path):
    cfg = dict(distiller(tmp_path), supervised=False)
    want, got = stepper(cfg)(), stepper(cfg, 'eager')()
    assert got.keys() == want.keys() == {'loss', 'loss_icc'}
    assert float(got['loss_icc']) == pytest.approx(float(want['loss_icc']), rel=1e-5)

"""The plain C×C route: what it computes, and when it must give up."""

import pytest
import torch

from ickd_mm.functional import plain_route as module
from ickd_mm.functional.rows import PIXELS, least_distance


def plain_route(s, t, normalize, scale, need_grad, short=None, out=None):
    short = least_distance(s, t) if short is None else short
    return module.plain_route(s, t, normalize, scale, need_grad, short, out)


def cells(count=3, channels=20, student=12, teacher=12, seed=0):
    torch.manual_seed(seed)
    return torch.randn(count, channels, student), torch.randn(count, channels, teacher)


def formula(student, teacher, normalize):
    """Sum over cells of ‖G_s − G_t‖², and its gradient, in float64."""
    student, teacher = student.double().requires_grad_(), teacher.double()
    grams = [f @ f.mT for f in (student, teacher)]
    if normalize:
        grams = [g / g.norm(dim=2, keepdim=True) for g in grams]
    loss = (grams[0] - grams[1]).pow(2).sum()
    return loss.detach(), torch.autograd.grad(loss, student)[0]


@pytest.mark.parametrize('normalize', [True, False])
@pytest.mark.parametrize('teacher', [12, 5])
@pytest.mark.parametrize('channels', [1, 2, 20, 70])
def test_value_and_gradient(error, channels, teacher, normalize):
    s, t = cells(channels=channels, teacher=teacher)
    if channels == 1:
        s, t = s.double(), t.double()  # one row has one direction: float32 gives up
    short = 0.0 if channels == 1 else 2e-4  # two channels come close by chance
    loss, grad = plain_route(s, t, normalize, 0.25, True, short)
    want, want_grad = formula(s, t, normalize)
    assert error(loss, 0.25 * want, floor=1e-12) < 1e-6
    assert error(grad, 0.25 * want_grad, floor=1e-9) < 5e-6


@pytest.mark.parametrize('normalize', [True, False])
def test_gradient_is_written_where_it_is_wanted(normalize):
    s, t = cells()
    out = torch.full_like(s, 9.0)
    part = plain_route(s, t, normalize, 1.0, True, out=out)
    assert part.grad.data_ptr() == out.data_ptr()
    assert torch.equal(out, plain_route(s, t, normalize, 1.0, True).grad)


@pytest.mark.parametrize('normalize', [True, False])
def test_no_gradient_where_none_is_asked_for(normalize):
    s, t = cells()
    part = plain_route(s, t, normalize, 1.0, False)
    assert part.grad is None
    assert part.loss == plain_route(s, t, normalize, 1.0, True).loss


@pytest.mark.parametrize('distance', [1e-3, 1e-6, 0.0])
def test_gives_up_where_one_row_is_too_close(distance):
    s, t = cells()
    t[1] = s[1] + distance * t[1]
    assert plain_route(s, t, True, 1.0, True) is None


@pytest.mark.parametrize('noise', [0.3, 0.1, 0.05, 0.03, 0.02])
def test_what_it_accepts_is_exact(error, noise):
    accepted = 0
    for seed in range(20):
        s, t = cells(channels=32, student=64, teacher=64, seed=seed)
        s = t + noise * s
        part = plain_route(s, t, True, 1.0, True)
        if part is not None:
            accepted += 1
            assert error(part.grad, formula(s, t, True)[1]) < 1e-5
    assert accepted > 0 or noise < 0.05


def test_asks_for_more_distance_where_more_pixels_are_summed():
    s, t = cells(count=1, channels=4, student=64, teacher=64)
    close = t + 0.15 * s
    assert plain_route(close, t, True, 1.0, True) is not None
    times = 64 * PIXELS // 64
    repeated = close.repeat(1, 1, times), t.repeat(1, 1, times)  # the same directions
    assert plain_route(*repeated, True, 1.0, True) is None


def test_channels_that_are_zero_on_both_sides_are_no_reason():
    s, t = cells()
    s[:, ::3], t[:, ::3] = 0, 0
    part = plain_route(s, t, True, 1.0, True)
    assert part.loss.isfinite() and (part.grad[:, ::3] == 0).all()
    assert (part.grad[:, 1] != 0).all()


@pytest.mark.parametrize('side', [0, 1])
def test_nan_is_left_to_others(side):
    pair = cells()
    pair[side][2, 3, 4] = float('nan')
    assert plain_route(*pair, True, 1.0, True) is None
    assert plain_route(*pair, False, 1.0, True).loss.isnan()

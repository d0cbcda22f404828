"""The losses on a GPU against float64 on the CPU: every route, form, layout and precision."""

import itertools

import pytest
import torch
from support.formula import formula, relative
from support.gpu import DEVICE, HALVES

from ickd_mm.functional import channel_wise_divergence, icc, icc_loss, kl_divergence
from ickd_mm.losses import ICKDLoss, MSELoss

pytestmark = pytest.mark.gpu

FORMS = list(itertools.product([True, False], repeat=3))
LAYOUTS = (torch.contiguous_format, torch.channels_last)


@pytest.fixture(params=['pixels', 'channels'])
def route(request, monkeypatch):
    monkeypatch.setattr(icc, 'PIXEL_ROUTE', 0 if request.param == 'pixels' else float('inf'))


def maps(*shape):
    """Maps of student and teacher, ReLU'd, some channels dead."""
    torch.manual_seed(0)
    student, teacher = torch.randn(shape).relu(), torch.randn(shape).relu()
    student[:, ::7], teacher[:, 1::5] = 0, 0
    return student, teacher


def on_device(loss, student, teacher, layout=torch.contiguous_format):
    """Value and gradient, brought back."""
    x = student.to(DEVICE, memory_format=layout, copy=True).requires_grad_()
    value = loss(x, teacher.to(DEVICE, memory_format=layout))
    value.backward()
    assert x.grad.dtype == student.dtype
    return value.detach().cpu(), x.grad.cpu()


@pytest.mark.parametrize(('normalize', 'center', 'cross'), FORMS)
def test_icc(route, normalize, center, cross):
    student, teacher = maps(3, 40, 9, 10)
    for grid, layout in itertools.product([(1, 1), (2, 3)], LAYOUTS):
        form = dict(normalize=normalize, center=center, cross=cross)
        value, grad = on_device(ICKDLoss(grid, **form), student, teacher, layout)
        want, want_grad = formula(student, teacher, grid, **form)
        assert relative(value, want) < 1e-5
        assert relative(grad, want_grad) < 3e-5


@pytest.mark.parametrize('shape', [(2, 512, 7, 7), (1, 64, 64, 64)])
def test_icc_on_real_sizes_by_the_route_it_takes_itself(shape):
    student, teacher = maps(*shape)
    value, grad = on_device(icc_loss, student, teacher)
    want, want_grad = formula(student, teacher)
    assert relative(value, want) < 1e-5
    assert relative(grad, want_grad) < 1e-5


@pytest.mark.parametrize('name', HALVES)
def test_icc_of_half_precision_maps_under_autocast(route, name):
    dtype = getattr(torch, name)
    student, teacher = (x.to(dtype) for x in maps(2, 64, 8, 8))
    want, want_grad = formula(student, teacher, (2, 2))
    with torch.autocast(DEVICE, dtype):
        value, grad = on_device(ICKDLoss(grid=2), student, teacher)
    assert relative(value, want) < 1e-5
    assert relative(grad * 1024.0, want_grad * 1024.0) < 5 * torch.finfo(dtype).eps


def test_gram_matrices_that_fp16_cannot_hold(route):
    student, teacher = torch.full((2, 1, 8, 64, 128), 3.0, dtype=torch.float16)
    teacher[:, ::2] = 1
    with torch.autocast(DEVICE, torch.float16):
        value, grad = on_device(icc_loss, student, teacher)
    assert relative(value, formula(student, teacher)[0]) < 1e-3  # sums of 8192 equal numbers
    assert grad.isfinite().all()


def divergence(student, teacher, tau, dim):
    p, q = (teacher / tau).softmax(dim), (student / tau).softmax(dim)
    return tau**2 * (p * (p / q).log()).sum(dim)


OTHERS = {
    'kl': (lambda s, t: kl_divergence(s, t, 4.0), lambda s, t: divergence(s, t, 4.0, 1).mean()),
    'cwd': (
        lambda s, t: channel_wise_divergence(s, t, 2.0),
        lambda s, t: divergence(s.flatten(2), t.flatten(2), 2.0, 2).mean(),
    ),
    'mse': (MSELoss(), lambda s, t: (s - t).square().mean()),
}


@pytest.mark.parametrize('kind', OTHERS)
@pytest.mark.parametrize('name', ['float32', *HALVES])
def test_other_losses(kind, name):
    dtype = getattr(torch, name)
    student, teacher = (x.to(dtype) for x in maps(2, 11, 6, 5))
    loss, exact = OTHERS[kind]
    with torch.autocast(DEVICE, dtype, enabled=dtype != torch.float32):
        value, grad = on_device(loss, student, teacher)
    x = student.double().requires_grad_()
    want = exact(x, teacher.double())
    want.backward()
    assert relative(value, want.detach()) < 1e-5
    assert relative(grad, x.grad) < max(5 * torch.finfo(dtype).eps, 1e-5)

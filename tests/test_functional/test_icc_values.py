"""Value and gradient of the ICC loss against the float64 formula, and at the ends of float32."""

import itertools

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ickd_mm.functional import icc_loss, inter_channel_correlation

SWITCHES = ('normalize', 'center', 'cross')
FORMS = list(itertools.product([True, False], repeat=3))
FUZZ = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def value_and_grad(student, teacher, *settings):
    student = student.detach().clone().requires_grad_()
    loss = icc_loss(student, teacher, *settings)
    loss.backward()
    return loss.detach(), student.grad


@st.composite
def maps(draw):
    """Independent maps of all sizes, some ReLU'd with dead channels; at least 7 channels.

    With one to three channels rows are parallel by chance, and rounding is all that is left.
    """
    side = st.integers(1, 11)
    images, channels = draw(st.integers(1, 3)), draw(st.sampled_from([7, 16, 40, 64]))
    ours = draw(side), draw(side)
    theirs = ours if draw(st.booleans()) else (draw(side), draw(side))
    grid = tuple(draw(st.integers(1, min(pair))) for pair in zip(ours, theirs))
    torch.manual_seed(draw(st.integers(0, 2**16)))
    student, teacher = torch.randn(images, channels, *ours), torch.randn(images, channels, *theirs)
    if draw(st.booleans()):
        student, teacher = student.relu(), teacher.relu()
        student[:, ::3], teacher[:, 1::4] = 0, 0
    return student, teacher, grid


@pytest.mark.parametrize(SWITCHES, FORMS)
@FUZZ
@given(drawn=maps())
def test_independent_maps(exact, error, route, drawn, normalize, center, cross):
    assume(not cross or drawn[0].shape == drawn[1].shape)
    loss, grad = value_and_grad(*drawn, normalize, center, cross)
    want, want_grad = exact(*drawn, normalize, center, cross)
    assert error(loss, want, floor=1e-6) < 1e-5
    assert error(grad, want_grad, floor=1e-3) < 1e-5


@pytest.mark.parametrize(SWITCHES, FORMS)
@pytest.mark.parametrize(
    ('shape', 'grid'),
    [
        ((2, 512, 7, 7), (1, 1)),
        ((1, 600, 48, 48), (1, 1)),
        ((1, 64, 64, 64), (1, 1)),
        ((1, 256, 33, 33), (4, 4)),
        ((1, 100, 16, 16), (16, 16)),
    ],
)
def test_sizes_of_real_maps(exact, error, shape, grid, normalize, center, cross):
    torch.manual_seed(0)
    student, teacher = torch.randn(shape).relu(), torch.randn(shape).relu()
    student[:, ::7], teacher[:, 1::5] = 0, 0
    loss, grad = value_and_grad(student, teacher, grid, normalize, center, cross)
    want, want_grad = exact(student, teacher, grid, normalize, center, cross)
    assert error(loss, want) < 1e-5
    # With one position per cell the cross form has no gradient.
    assert error(grad, want_grad, floor=1e-6) < (3e-5 if cross else 1e-5)


@pytest.mark.parametrize('center', [False, True])
@pytest.mark.parametrize('shape', [(2, 128, 6, 6), (2, 128, 32, 32), (1, 64, 64, 64)])
def test_a_student_near_its_teacher(exact, error, shape, center):
    torch.manual_seed(0)
    teacher = torch.randn(shape).relu()
    student = teacher * (1 + 0.01 * torch.randn(shape))
    loss, grad = value_and_grad(student, teacher, 1, True, center)
    assert error(grad, exact(student, teacher, (1, 1), True, center)[1]) < 1e-3
    assert 0 <= loss < 1e-3


@pytest.mark.parametrize(SWITCHES, FORMS)
def test_equal_maps(route, normalize, center, cross):
    torch.manual_seed(0)
    x = torch.randn(2, 64, 6, 6).relu()
    x[:, 0] = 0
    loss, grad = value_and_grad(x, x.clone(), (2, 2), normalize, center, cross)
    assert 0 <= loss < 1e-5
    assert grad.isfinite().all()
    assert grad.abs().max() < 1e-4


@pytest.mark.parametrize('size', [1e-20, 1e-30, 0.0])
def test_a_faint_teacher_channel_adds_what_a_zero_one_adds(exact, error, route, size):
    torch.manual_seed(0)
    student = torch.randn(2, 128, 4, 4)
    teacher = torch.nn.functional.silu(torch.randn(2, 128, 4, 4))
    teacher[:, 5] = -size * torch.rand(2, 4, 4)
    loss, grad = value_and_grad(student, teacher)
    want, want_grad = exact(student, teacher)
    assert error(loss, want) < 1e-6
    assert error(grad, want_grad) < 1e-6
    if size == 1e-20:
        assert loss == pytest.approx(1.78, abs=0.005)


@pytest.mark.parametrize('size', [1e-20, 0.0])
def test_a_dead_student_channel_keeps_the_gradient_of_the_other_rows(exact, error, route, size):
    torch.manual_seed(0)
    student, teacher = torch.randn(1, 20, 4, 4), torch.randn(1, 20, 4, 4)
    student[:, 3] *= size
    _, grad = value_and_grad(student, teacher)
    want = exact(student, teacher)[1]
    assert error(grad, want) < 1e-6
    assert 0.1 < grad[:, 3].norm() / grad[:, 4].norm() < 10


def test_dead_rows_on_one_side_add_1_and_on_both_0(route):
    live, half = torch.ones(1, 4, 2, 2), torch.ones(1, 4, 2, 2)
    half[:, 2:] = 0
    # Rows 0 and 1 are (1, 1, 1, 1)/2 against (1, 1, 0, 0)/√2: each adds 2 − √2.
    assert icc_loss(live, half).item() == pytest.approx((2 * (2 - 2**0.5) + 2) / 4)
    assert icc_loss(half, half * 3).item() == pytest.approx(0, abs=1e-6)
    assert icc_loss(torch.zeros_like(live), live).item() == pytest.approx(1)
    assert icc_loss(torch.zeros_like(live), torch.zeros_like(live)).item() == 0


KINDS = ['normal', 'relu', 'constant', 'zero', 'one hot', 'one channel', 'spread']


def extreme(kind, exponent, shape):
    x = torch.randn(shape)
    if kind == 'relu':
        x = x.relu()
    elif kind == 'constant':
        x = torch.ones(shape)
    elif kind == 'zero':
        x = torch.zeros(shape)
    elif kind == 'one hot':
        x = torch.zeros(shape)
        x[..., 0, 0] = 1
    elif kind == 'one channel':
        x[:, 1:] *= 1e-38
    elif kind == 'spread':
        x = x * 10.0 ** torch.linspace(-37, 0, shape[1]).view(1, -1, 1, 1)
    limit = torch.finfo(torch.float32).max
    return (x.double() * 10.0**exponent).clamp(-limit, limit).float()


@pytest.mark.slow
@pytest.mark.parametrize('cross', [False, True])
@pytest.mark.parametrize('center', [False, True])
@settings(FUZZ, max_examples=200)
@given(
    kinds=st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS)),
    exponents=st.tuples(st.integers(-45, 39), st.integers(-45, 39)),
    channels=st.sampled_from([1, 2, 30]),
    sides=st.tuples(st.integers(1, 5), st.integers(1, 5)),
)
def test_finite_maps_of_every_size_give_finite_numbers(
    route, kinds, exponents, channels, sides, center, cross
):
    torch.manual_seed(0)
    student, teacher = (
        extreme(kind, exponent, (2, channels, side, side))
        for kind, exponent, side in zip(kinds, exponents, sides[:1] * 2 if cross else sides)
    )
    loss, grad = value_and_grad(student, teacher, 1, True, center, cross)
    assert 0 <= loss <= 4
    assert grad.isfinite().all()
    student.requires_grad_()
    matrices = inter_channel_correlation(student, 1, True, center)
    assert matrices.abs().max() <= 1.00001
    matrices.square().sum().backward()
    assert student.grad.isfinite().all()


@pytest.mark.parametrize('center', [False, True])
def test_a_faint_row_of_a_tiny_map_has_a_finite_gradient(route, center):
    torch.manual_seed(0)
    student, teacher = torch.randn(1, 4, 2, 3), torch.randn(1, 4, 2, 3)
    student[:, 0] *= 1e-6
    teacher[:, 0] *= 1e-6
    _, grad = value_and_grad(student * 1e-29, teacher, 1, True, center)
    assert grad.isfinite().all()
    assert grad[:, 0].abs().max() > 1e32


@pytest.mark.parametrize('factor', [1e-28, 1e-20, 1e-8, 3.7, 1e8, 1e30])
def test_the_scale_of_a_map_does_not_matter(error, route, factor):
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 32, 5, 5), torch.randn(2, 32, 5, 5)
    loss, grad = value_and_grad(student, teacher, (2, 1))
    scaled, scaled_grad = value_and_grad(student * factor, teacher / min(factor, 1e8), (2, 1))
    assert error(scaled, loss) < 1e-6
    assert error(scaled_grad.double() * factor, grad) < 2e-6


def test_centring_ignores_the_mean_of_a_cell_and_gives_no_gradient_along_it(error, route):
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 32, 6, 6), torch.randn(2, 32, 6, 6)
    loss, grad = value_and_grad(student, teacher, (2, 3), True, True)
    shifted = student.clone()
    shifted[:, :, :3, 2:4] += torch.randn(2, 32, 1, 1)
    assert error(icc_loss(shifted, teacher, (2, 3), True, True), loss) < 1e-5
    means = torch.nn.functional.adaptive_avg_pool2d(grad, (2, 3))
    assert means.abs().max() < 1e-6 * grad.abs().max()


def test_the_cross_form_teaches_a_student_without_a_mean(error):
    """G = F Fᵀ has no gradient along the mean of a map that has none; G = F_s F_tᵀ has."""
    torch.manual_seed(0)
    teacher = torch.randn(1, 16, 8, 8).relu()
    student = torch.randn(1, 16, 8, 8)
    student -= student.mean((2, 3), keepdim=True)
    along = [
        value_and_grad(student, teacher, 1, False, False, cross)[1].mean((2, 3)).norm()
        for cross in (False, True)
    ]
    assert along[0] < 1e-6 * along[1]


@pytest.mark.parametrize(SWITCHES, FORMS)
@pytest.mark.parametrize('other', [(4, 5), (3, 3)])
def test_gradcheck(route, other, normalize, center, cross):
    torch.manual_seed(0)
    student = torch.randn(1, 4, 4, 5, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(1, 4, *((4, 5) if cross else other), dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda x: icc_loss(x, teacher, (2, 2), normalize, center, cross), student
    )


@pytest.mark.parametrize('side', [0, 1])
@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_what_is_not_finite_is_not_hidden(route, side, value):
    pair = [torch.randn(1, 20, 3, 3), torch.randn(1, 20, 3, 3)]
    pair[side][0, 2, 1, 1] = value
    loss, grad = value_and_grad(*pair)
    assert loss.isnan()
    assert grad.isnan().any()

"""Value and gradient against the float64 formula, and what the loss must not change under."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ickd_mm.functional import icc_loss
from ickd_mm.functional.engine import evaluate

ROUTES = ['pixel', 'channel', 'plain']
FORMS = [True, False]
FUZZ = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def value_and_grad(student, teacher, grid=(1, 1), normalize=True, route=None):
    if route is not None:
        return evaluate(student, teacher, grid, normalize, True, route)
    student = student.detach().clone().requires_grad_()
    loss = icc_loss(student, teacher, grid, normalize)
    loss.backward()
    return loss.detach(), student.grad


@st.composite
def maps(draw, equal):
    side = st.integers(1, 11)
    images, channels = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 3, 7, 16, 40, 64]))
    height, width = draw(side), draw(side)
    other = (height, width) if equal else (draw(side), draw(side))
    grid = (
        draw(st.integers(1, min(height, other[0]))),
        draw(st.integers(1, min(width, other[1]))),
    )
    torch.manual_seed(draw(st.integers(0, 2**16)))
    student, teacher = (torch.randn(images, channels, *hw) for hw in ((height, width), other))
    return student, teacher, grid


@pytest.mark.parametrize('normalize', FORMS)
@pytest.mark.parametrize('equal', [True, False])
@FUZZ
@given(data=st.data(), relu=st.booleans())
def test_random_shapes_and_grids(exact, error, data, equal, relu, normalize):
    student, teacher, grid = data.draw(maps(equal))
    if relu:
        student, teacher = student.relu(), teacher.relu()
        student[:, ::3], teacher[:, 1::4] = 0, 0
    loss, grad = value_and_grad(student, teacher, grid, normalize)
    want, want_grad = exact(student, teacher, grid, normalize)
    assert error(loss, want, floor=1e-7) < 1e-5
    assert error(grad, want_grad, floor=1e-5) < 1e-5


@pytest.mark.parametrize('normalize', FORMS)
@FUZZ
@given(data=st.data(), exponent=st.floats(-4, -1), relu=st.booleans())
def test_nearly_equal_maps(exact, error, data, exponent, relu, normalize):
    noise, teacher, grid = data.draw(maps(True))
    if relu:
        teacher = teacher.relu()
    student = teacher + 10**exponent * noise * (teacher if relu else 1)
    loss, grad = value_and_grad(student, teacher, grid, normalize)
    want, want_grad = exact(student, teacher, grid, normalize)
    # The floors are for one channel, whose normalised loss is nothing but rounding.
    assert error(loss, want, floor=1e-9) < 1e-5
    assert error(grad, want_grad, floor=1e-6) < 1e-5


@pytest.mark.parametrize('route', ROUTES)
@pytest.mark.parametrize('normalize', FORMS)
@pytest.mark.parametrize('distance', [1.0, 1e-2, 1e-4])
def test_both_routes_where_either_is_cheaper(exact, error, distance, normalize, route):
    torch.manual_seed(0)
    for channels, side in ((128, 6), (24, 16)):
        teacher = torch.randn(2, channels, side, side)
        student = teacher + distance * torch.randn_like(teacher)
        loss, grad = value_and_grad(student, teacher, (2, 2), normalize, route)
        want, want_grad = exact(student, teacher, (2, 2), normalize)
        assert error(loss, want) < 1e-6
        assert error(grad, want_grad) < 2e-6


@pytest.mark.parametrize('route', [None, 'channel'])
@pytest.mark.parametrize(('side', 'relu'), [(16, False), (30, False), (48, True)])
@pytest.mark.parametrize('distance', [1.0, 0.1, 0.03, 0.02, 0.015, 0.01])
def test_many_channels_in_strips(exact, error, distance, side, relu, route):
    """Matrices of three strips, from far to where the quick comparison gives way."""
    torch.manual_seed(0)
    teacher = torch.randn(1, 600, side, side)
    student = teacher + distance * torch.randn_like(teacher)
    if relu:
        student, teacher = student.relu(), teacher.relu()
    student[:, ::7], teacher[:, 1::5] = 0, 0
    loss, grad = value_and_grad(student, teacher, (1, 1), True, route)
    want, want_grad = exact(student, teacher, (1, 1), True)
    assert error(loss, want) < 1e-6
    assert error(grad, want_grad) < 8e-6
    assert (grad[:, ::7] == 0).all()


@pytest.mark.parametrize('normalize', FORMS)
@pytest.mark.parametrize('other', [(6, 7), (9, 4)])
def test_routes_agree(error, other, normalize):
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 32, 6, 7).relu(), torch.randn(2, 32, *other).relu()
    by_pixel, *others = (
        value_and_grad(student, teacher, (3, 2), normalize, route) for route in ROUTES
    )
    for loss, grad in others:
        assert error(by_pixel[0], loss) < 1e-6
        assert error(by_pixel[1], grad) < 2e-6


@pytest.mark.parametrize('route', ROUTES)
@pytest.mark.parametrize('normalize', FORMS)
@pytest.mark.parametrize('other', [(4, 5), (3, 3)])
def test_gradcheck(route, normalize, other):
    torch.manual_seed(0)
    student = torch.randn(2, 5, 4, 5, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(2, 5, *other, dtype=torch.float64)

    def loss(x):
        from ickd_mm.functional.eager import ICC

        return ICC.apply(x, teacher, (2, 2), normalize, True, route)

    assert torch.autograd.gradcheck(loss, student)


@pytest.mark.parametrize('route', ROUTES)
@pytest.mark.parametrize('normalize', FORMS)
@pytest.mark.parametrize('channels', [8, 64])
def test_equal_maps_cost_nothing(route, normalize, channels):
    torch.manual_seed(0)
    x = torch.randn(2, channels, 6, 6).relu()
    x[:, 0] = 0
    loss, grad = value_and_grad(x, x.clone(), (2, 2), normalize, route)
    assert 0 <= loss < 1e-6
    assert grad.isfinite().all() and grad.abs().max() < 1e-5


@pytest.mark.parametrize('route', [None, *ROUTES])
def test_zero_student_channel_gets_no_gradient_from_its_cell(exact, error, route):
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 20, 6, 6), torch.randn(2, 20, 6, 6)
    student[0, 3, :3, 3:] = 0
    _, grad = value_and_grad(student, teacher, (2, 2), True, route)
    assert (grad[0, 3, :3, 3:] == 0).all()
    assert (grad[0, 3, 3:] != 0).any() and (grad[0, 4, :3, 3:] != 0).any()
    assert error(grad, exact(student, teacher, (2, 2), True)[1]) < 1e-6


@pytest.mark.parametrize('route', ROUTES)
@pytest.mark.parametrize('factor', [1e-6, 1e-3, 3.7, 1e3, 1e6])
def test_scaling_a_normalized_map_changes_nothing(error, factor, route):
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 32, 5, 5), torch.randn(2, 32, 5, 5)
    loss, grad = value_and_grad(student, teacher, (2, 1), True, route)
    scaled, scaled_grad = value_and_grad(student * factor, teacher, (2, 1), True, route)
    assert error(scaled, loss) < 1e-6 and error(scaled_grad * factor, grad) < 2e-6
    assert error(value_and_grad(student, teacher * factor, (2, 1), True, route)[0], loss) < 1e-6


@pytest.mark.parametrize('route', ROUTES)
def test_scaled_neighbours_stay_exact(exact, error, route):
    torch.manual_seed(0)
    teacher = torch.randn(2, 32, 6, 6)
    student = 3.7 * (teacher + 1e-3 * torch.randn_like(teacher))
    loss, grad = value_and_grad(student, teacher, (1, 1), True, route)
    want, want_grad = exact(student, teacher, (1, 1), True)
    assert error(loss, want) < 1e-6 and error(grad, want_grad) < 2e-6


@pytest.mark.parametrize('route', ROUTES)
@pytest.mark.parametrize('normalize', FORMS)
def test_order_of_channels_does_not_matter(error, normalize, route):
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 32, 5, 5), torch.randn(2, 32, 5, 5)
    order = torch.randperm(32)
    loss, grad = value_and_grad(student, teacher, (1, 2), normalize, route)
    again, its_grad = value_and_grad(student[:, order], teacher[:, order], (1, 2), normalize, route)
    assert error(again, loss) < 1e-6 and error(its_grad, grad[:, order]) < 1e-6


@pytest.mark.parametrize('route', ROUTES)
@pytest.mark.parametrize('normalize', FORMS)
@pytest.mark.parametrize('other', [(4, 4), (5, 3)])
@pytest.mark.parametrize('side', ['student', 'teacher'])
@pytest.mark.parametrize('rest', ['random', 'zero'])
def test_nan_stays_nan(route, normalize, other, side, rest):
    torch.manual_seed(0)
    pair = {'student': torch.randn(2, 18, 4, 4), 'teacher': torch.randn(2, 18, *other)}
    if rest == 'zero':
        for x in pair.values():
            x.zero_()
    pair[side][1, 2, 1, 1] = float('nan')
    loss, grad = value_and_grad(pair['student'], pair['teacher'], (1, 1), normalize, route)
    assert loss.isnan()
    if rest == 'random':
        assert grad[1].isnan().any() and grad[0].isfinite().all()


@pytest.mark.parametrize('route', ROUTES)
@pytest.mark.parametrize('student_zero', [True, False])
@pytest.mark.parametrize('teacher_zero', [True, False])
def test_rows_without_direction_count_one_each(route, student_zero, teacher_zero):
    torch.manual_seed(0)
    student, teacher = torch.randn(1, 18, 4, 4), torch.randn(1, 18, 4, 4)
    student.mul_(not student_zero)
    teacher.mul_(not teacher_zero)
    loss, grad = value_and_grad(student, teacher, (1, 1), True, route)
    if student_zero or teacher_zero:
        assert loss.item() == pytest.approx(float(student_zero != teacher_zero), abs=1e-6)
        assert (grad == 0).all()
    else:
        assert 0 < loss < 4

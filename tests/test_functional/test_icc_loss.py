"""How the function behaves as a citizen of PyTorch: inputs, dtypes, autograd, compile."""

import pytest
import torch

from ickd_mm.functional import icc_loss, inter_channel_correlation
from ickd_mm.functional.engine import evaluate

S, T = torch.Size([2, 40, 6, 5]), torch.Size([2, 40, 9, 7])


def pair(student=S, teacher=T, dtype=torch.float32):
    torch.manual_seed(0)
    return torch.randn(student).to(dtype).requires_grad_(), torch.randn(teacher).to(dtype)


def grad_of(student, teacher, **kwargs):
    loss = icc_loss(student, teacher, **kwargs)
    return loss, torch.autograd.grad(loss, student)[0]


@pytest.mark.parametrize(
    'student, teacher, error',
    [
        ((3, 40, 6, 5), T, ValueError),
        ((2, 41, 6, 5), T, ValueError),
        ((2, 40, 30), T, ValueError),
        (S, (2, 40, 1, 9, 7), ValueError),
        ((0, 40, 6, 5), (0, 40, 9, 7), ValueError),
        ((2, 40, 6, 3), T, ValueError),
        (S, (2, 40, 3, 7), ValueError),
    ],
)
def test_wrong_shapes_are_named(student, teacher, error):
    with pytest.raises(error) as raised:
        icc_loss(torch.zeros(student), torch.zeros(teacher), grid=(4, 5))
    assert str(tuple(student)) in str(raised.value) and str(tuple(teacher)) in str(raised.value)


@pytest.mark.parametrize('dtype', [torch.int64, torch.uint8, torch.bool, torch.complex64])
@pytest.mark.parametrize('side', ['student', 'teacher'])
def test_maps_without_floating_point_are_refused(dtype, side):
    maps = {'student': torch.ones(S), 'teacher': torch.ones(T)}
    maps[side] = maps[side].to(dtype)
    with pytest.raises(TypeError, match=side) as raised:
        icc_loss(**maps)
    assert str(tuple(S)) in str(raised.value) and str(tuple(T)) in str(raised.value)


def test_what_is_no_tensor_is_refused():
    with pytest.raises(TypeError, match='teacher must be a tensor'):
        icc_loss(torch.ones(S), [torch.ones(T)])


@pytest.mark.parametrize('grid', [0, -1, (2, 0), 2.0, (1, 2, 3), (1,), '2', None, True, (1.0, 2)])
def test_wrong_grids_are_refused(grid):
    with pytest.raises((TypeError, ValueError), match='grid must be a positive integer'):
        icc_loss(torch.ones(S), torch.ones(T), grid=grid)


@pytest.mark.parametrize('normalize', [True, False])
@pytest.mark.parametrize('grid', [(1, 1), (2, 3), (4, 4)])
def test_value_follows_from_the_matrices_themselves(grid, normalize, error):
    student, teacher = pair()
    ours = inter_channel_correlation(student, grid, normalize)
    theirs = inter_channel_correlation(teacher, grid, normalize)
    assert ours.shape == (2, grid[0] * grid[1], 40, 40)
    mean = (ours - theirs).square().sum((2, 3)).mean() / (40 if normalize else 40 * 40)
    assert error(icc_loss(student, teacher, grid, normalize), mean) < 1e-6


def test_matrices_of_dead_channels_have_finite_gradients():
    x = torch.randn(1, 6, 3, 3)
    x[:, 2] = 0
    x.requires_grad_()
    matrices = inter_channel_correlation(x)
    matrices.square().sum().backward()
    assert (matrices[0, 0, 2] == 0).all() and x.grad.isfinite().all() and x.grad.abs().max() < 10


LAYOUTS = {
    'channels_last': lambda x: x.to(memory_format=torch.channels_last),
    'sliced': lambda x: torch.stack([x, x], -1).flatten(3)[..., ::2],
    'channels sliced': lambda x: torch.cat([x, x], 1)[:, : x.shape[1]],
    'transposed': lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    'expanded': lambda x: x[:1].expand_as(x),
}


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('shapes', [((2, 40, 6, 6), (2, 40, 6, 6)), (S, T)])
@pytest.mark.parametrize('grid', [1, (3, 2)])
@pytest.mark.parametrize('route', ['pixel', 'channel'])
def test_memory_layout_does_not_matter(layout, shapes, grid, route, error):
    student, teacher = pair(*shapes)
    grid = (grid, grid) if isinstance(grid, int) else grid
    change = LAYOUTS[layout]
    plain = [change(x).detach().clone(memory_format=torch.contiguous_format) for x in pair(*shapes)]
    loss, grad = evaluate(change(student).detach(), change(teacher), grid, True, True, route)
    want, want_grad = evaluate(*plain, grid, True, True, route)
    assert error(loss, want) < 1e-6 and error(grad, want_grad) < 2e-6
    student, teacher = change(student), change(teacher)
    assert error(torch.autograd.grad(icc_loss(student, teacher, grid), student)[0], grad) < 1e-5


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('normalize', [True, False])
def test_half_maps_are_computed_in_float32(dtype, normalize, error):
    student, teacher = pair(dtype=dtype)
    loss, grad = grad_of(student, teacher, normalize=normalize)
    assert loss.dtype == torch.float32 and grad.dtype == dtype
    whole = student.detach().float().requires_grad_()
    want, want_grad = grad_of(whole, teacher.float(), normalize=normalize)
    assert torch.equal(loss, want) and torch.equal(grad, want_grad.to(dtype))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('grid', [1, 3])
def test_autocast_changes_nothing(dtype, grid):
    student, teacher = pair()
    with torch.autocast('cpu', dtype):
        loss, grad = grad_of(student, teacher, grid=grid)
    assert torch.equal(loss, icc_loss(student, teacher, grid))
    assert torch.equal(grad, grad_of(student, teacher, grid=grid)[1])


def test_large_half_maps_do_not_overflow(exact, error):
    student = torch.full((1, 20, 64, 128), 3.0, dtype=torch.float16)
    student[:, ::2, ::2] = -1
    teacher = student.flip(1)
    for normalize in (True, False):
        want, _ = exact(student, teacher, (1, 1), normalize)
        assert error(icc_loss(student, teacher, 1, normalize), want) < 1e-6


def test_loss_scale_reaches_half_gradients_before_rounding():
    student, teacher = pair((1, 64, 4, 4), (1, 64, 4, 4))
    half = (student.detach() * 1e4).half().requires_grad_()
    (icc_loss(half, teacher) * 2**16).backward()
    assert (half.grad != 0).float().mean() > 0.9


def test_float64_stays_float64():
    loss, grad = grad_of(*pair(dtype=torch.float64))
    assert loss.dtype == grad.dtype == torch.float64


def test_one_image():
    student, teacher = pair((3, 40, 6, 5), (3, 40, 6, 5))
    alone = [icc_loss(student[i : i + 1], teacher[i : i + 1]) for i in range(3)]
    assert torch.allclose(torch.stack(alone).mean(), icc_loss(student, teacher), rtol=1e-6)


def test_same_order_of_operations_every_time():
    first = grad_of(*pair(), grid=(2, 3))
    for _ in range(3):
        again = grad_of(*pair(), grid=(2, 3))
        assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])


def test_no_gradient_for_the_teacher_and_none_without_need():
    student, teacher = pair()
    teacher.requires_grad_()
    icc_loss(student, teacher).backward()
    assert teacher.grad is None and student.grad is not None
    with torch.no_grad():
        assert not icc_loss(student, teacher).requires_grad
    assert not icc_loss(student.detach(), teacher).requires_grad


def test_backward_twice_over_a_kept_graph():
    student, teacher = pair()
    loss = 3 * icc_loss(student, teacher)
    first = torch.autograd.grad(loss, student, retain_graph=True)[0].clone()
    assert torch.equal(first, torch.autograd.grad(loss, student)[0])


def test_inputs_are_left_alone():
    student, teacher = pair(S, S)
    before = student.detach().clone(), teacher.clone()
    for grid in (1, 2):
        for normalize in (True, False):
            icc_loss(student, teacher, grid, normalize).backward()
    assert torch.equal(student, before[0]) and torch.equal(teacher, before[1])


def test_second_derivatives_are_refused():
    student, teacher = pair()
    (grad,) = torch.autograd.grad(icc_loss(student, teacher), student, create_graph=True)
    with pytest.raises(RuntimeError, match='first derivatives only'):
        grad.square().sum().backward()


@pytest.mark.parametrize('backend', ['eager', 'aot_eager', 'inductor'])
def test_compiles_into_one_graph(backend, error):
    torch._dynamo.reset()

    def step(student, teacher):
        return 2 * icc_loss(student * 1.5, teacher, (2, 2))

    compiled = torch.compile(step, fullgraph=True, backend=backend)
    for images in (2, 3):
        student, teacher = pair((images, 40, 6, 5), (images, 40, 9, 7))
        loss, want = compiled(student, teacher), step(student, teacher)
        assert error(loss, want) < 1e-6
        grads = [torch.autograd.grad(x, student)[0] for x in (loss, want)]
        assert error(*grads) < 1e-6


def test_compiles_under_autocast_and_without_gradient():
    torch._dynamo.reset()
    compiled = torch.compile(icc_loss, fullgraph=True, backend='aot_eager')
    student, teacher = pair(dtype=torch.float16)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(compiled(student, teacher), icc_loss(student, teacher))
        assert torch.equal(compiled(student.detach(), teacher), icc_loss(student, teacher))


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
@pytest.mark.parametrize('grid', [1, 3])
def test_cuda_agrees_with_cpu(dtype, grid, error):
    student, teacher = pair(dtype=dtype)
    loss, grad = grad_of(student, teacher, grid=grid)
    got, its_grad = grad_of(student.cuda(), teacher.cuda(), grid=grid)
    assert error(got.cpu(), loss) < 1e-5
    assert error(its_grad.cpu(), grad) < (1e-5 if dtype == torch.float32 else 1e-3)

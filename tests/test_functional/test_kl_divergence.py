"""The divergence against its formula in float64, and its manners."""

import math

import pytest
import torch

from ickd_mm.functional import kl_divergence

SHAPES = [(6, 11), (1, 2), (3, 7, 5, 4), (2, 3, 1, 9)]


def exact(student, teacher, tau):
    """The formula, distribution by distribution, on doubles."""
    rows = [x.detach().double().movedim(1, -1).reshape(-1, x.shape[1]) for x in (student, teacher)]
    total = 0.0
    for s, t in zip(*rows):
        logs = [(x / tau) - torch.logsumexp(x / tau, 0) for x in (s, t)]
        total += sum(math.exp(b) * (b - a) for a, b in zip(logs[0].tolist(), logs[1].tolist()))
    return tau**2 * total / len(rows[0])


def logits(shape, scale=3.0, dtype=torch.float32):
    torch.manual_seed(len(shape))
    student, teacher = (scale * torch.randn(2, *shape)).to(dtype)
    return student.requires_grad_(), teacher


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('tau', [0.5, 1, 4.0])
def test_value_is_the_formulas(shape, tau):
    student, teacher = logits(shape)
    # Terms of both signs cancel: a small divergence is known to the rounding of log softmax.
    assert kl_divergence(student, teacher, tau).item() == pytest.approx(
        exact(student, teacher, tau), rel=1e-6, abs=5e-7 * tau**2
    )
    student, teacher = logits(shape, dtype=torch.float64)
    loss = kl_divergence(student, teacher, tau)
    assert loss.dtype == torch.float64
    assert loss.dim() == 0
    assert loss.item() == pytest.approx(exact(student, teacher, tau), rel=1e-12)


@pytest.mark.parametrize('shape', [(6, 1), (2, 1, 5, 4), (3, 4, 2, 2)])
@pytest.mark.parametrize('tau', [0.5, 4.0])
def test_sigmoids(shape, tau):
    """Channel by channel p log p/q + (1 - p) log (1-p)/(1-q), and its gradient τ (q - p)."""
    student, teacher = logits(shape, dtype=torch.float64)
    q, p = (torch.sigmoid(x.detach() / tau) for x in (student, teacher))
    count = student.numel() // shape[1]
    want = tau**2 * (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).sum() / count
    loss = kl_divergence(student, teacher, tau, use_sigmoid=True)
    assert loss.item() == pytest.approx(want.item(), rel=1e-10)
    (grad,) = torch.autograd.grad(loss, student)
    assert torch.allclose(grad, tau * (q - p) / count, atol=1e-14)
    far = torch.full(shape, 1e30, requires_grad=True)
    loss = kl_divergence(far, -far.detach(), tau, use_sigmoid=True)
    assert loss.isfinite()
    assert torch.autograd.grad(loss, far)[0].isfinite().all()


def test_value_by_hand():
    student, teacher = torch.tensor([[0.0, 0.0]]), torch.tensor([[math.log(3.0), 0.0]])
    want = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert kl_divergence(student, teacher).item() == pytest.approx(want)
    assert kl_divergence(2 * student, 2 * teacher, 2).item() == pytest.approx(4 * want)


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('tau', [1.0, 3.0])
def test_gradient(shape, tau):
    student, teacher = logits(shape, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda s: kl_divergence(s, teacher, tau), student)
    (grad,) = torch.autograd.grad(kl_divergence(student, teacher, tau), student)
    q, p = (x.detach().div(tau).softmax(1) for x in (student, teacher))
    count = student.numel() // student.shape[1]
    assert torch.allclose(grad, tau * (q - p) / count, atol=1e-14)


def test_pixels_count_like_images():
    student, teacher = logits((2, 5, 3, 4))
    flat = [x.permute(0, 2, 3, 1).reshape(-1, 5) for x in (student, teacher)]
    assert torch.allclose(kl_divergence(student, teacher), kl_divergence(*flat), rtol=1e-6)


def test_equal_logits_and_shifted_ones_have_no_loss():
    student, _ = logits((4, 10, 3, 3))
    loss = kl_divergence(student, student.detach() + 2.0)
    assert abs(loss.item()) < 1e-6
    assert torch.autograd.grad(loss, student)[0].abs().max() < 1e-7


@pytest.mark.parametrize('size', [1e3, 6e4, 1e30])
@pytest.mark.parametrize('tau', [0.1, 1.0, 10.0])
def test_extreme_logits_stay_finite(size, tau):
    student = torch.tensor([[size, -size, 0.0], [0.0, 0.0, 0.0]], requires_grad=True)
    teacher = torch.tensor([[-size, size, 0.0], [size, 0.0, -size]])
    loss = kl_divergence(student, teacher, tau)
    # A certain teacher against a student as certain of another class, and against none.
    want = tau**2 * (2 * size / tau + math.log(3)) / 2
    assert loss.item() == pytest.approx(want, rel=1e-6)
    assert torch.autograd.grad(loss, student)[0].isfinite().all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_logits_and_autocast_are_computed_in_float32(dtype):
    student, teacher = logits((4, 30, 6, 6), scale=20.0, dtype=dtype)
    want = kl_divergence(student.detach().float(), teacher.float(), 2.0)
    with torch.autocast('cpu', dtype):
        loss = kl_divergence(student, teacher, 2.0)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, want)
    loss.backward()
    assert student.grad.dtype == dtype
    assert student.grad.isfinite().all()


def test_no_gradient_for_the_teacher():
    student, teacher = logits((4, 5))
    teacher.requires_grad_()
    kl_divergence(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad.any()


@pytest.mark.parametrize(
    ('student', 'teacher', 'says'),
    [
        ((2, 5, 4, 4), (2, 5, 8, 4), 'H and W must agree'),
        ((2, 5), (2, 6), 'N and C must agree'),
        ((2, 5), (3, 5), 'N and C must agree'),
        ((2, 5), (2, 5, 1, 1), 'N and C must agree'),
        ((2, 5, 4), (2, 5, 4), 'student must be a non-empty'),
        ((0, 5), (0, 5), 'student must be a non-empty'),
        ((2, 5, 4, 4), (2, 5, 4, 4, 1), 'teacher must be a non-empty'),
    ],
)
def test_wrong_shapes_are_named(student, teacher, says):
    with pytest.raises(ValueError, match=says) as raised:
        kl_divergence(torch.zeros(student), torch.zeros(teacher))
    assert str(student) in str(raised.value)
    assert str(teacher) in str(raised.value)


def test_maps_of_other_sizes_are_told_what_to_do():
    with pytest.raises(ValueError, match=r'same stride.* connector that resizes'):
        kl_divergence(torch.zeros(2, 5, 4, 4), torch.zeros(2, 5, 8, 8))


def test_what_is_no_floating_tensor_is_refused():
    with pytest.raises(TypeError, match=r'teacher must hold floating-point.*int64'):
        kl_divergence(torch.zeros(2, 5), torch.zeros(2, 5, dtype=torch.int64))
    with pytest.raises(TypeError, match='student must be a tensor'):
        kl_divergence([0.0, 1.0], torch.zeros(2, 5))


@pytest.mark.parametrize('tau', [0, -1.0, math.inf, math.nan])
def test_wrong_temperature(tau):
    with pytest.raises(ValueError, match='tau must be a finite number above 0'):
        kl_divergence(*logits((2, 3)), tau)


@pytest.mark.slow
def test_compiles_into_one_graph():
    torch._dynamo.reset()
    compiled = torch.compile(kl_divergence, fullgraph=True, backend='aot_eager')
    for shape in SHAPES[::2]:
        student, teacher = logits(shape)
        loss, want = compiled(student, teacher, 4.0), kl_divergence(student, teacher, 4.0)
        grads = [torch.autograd.grad(x, student)[0] for x in (loss, want)]
        assert torch.allclose(loss, want, rtol=1e-6)
        assert torch.allclose(*grads, atol=1e-7)

"""Channel-wise divergence against its formula in float64, and its manners."""

import math

import pytest
import torch

from ickd_mm.functional import channel_wise_divergence, kl_divergence


def exact(student, teacher, tau):
    total = 0.0
    for image in range(student.shape[0]):
        for channel in range(student.shape[1]):
            s, t = (x[image, channel].detach().double().flatten() for x in (student, teacher))
            q, p = (torch.exp(x / tau) / torch.exp(x / tau).sum() for x in (s, t))
            total += (p * (p / q).log()).sum().item()
    return tau**2 * total / (student.shape[0] * student.shape[1])


def maps(shape=(2, 5, 4, 6), dtype=torch.float32):
    torch.manual_seed(1)
    student, teacher = (5 * torch.randn(2, *shape)).to(dtype)
    return student.requires_grad_(), teacher


@pytest.mark.parametrize('tau', [1, 4.0])
@pytest.mark.parametrize('shape', [(1, 1, 2, 2), (2, 5, 4, 6), (3, 7, 1, 9)])
def test_value_is_the_formulas(shape, tau):
    student, teacher = maps(shape)
    want = exact(student, teacher, tau)
    loss = channel_wise_divergence(student, teacher, tau)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(want, rel=3e-6)
    student, teacher = student.double(), teacher.double()
    assert channel_wise_divergence(student, teacher, tau).item() == pytest.approx(want, rel=1e-12)


def test_value_by_hand():
    student, teacher = torch.zeros(1, 2, 1, 2), torch.zeros(1, 2, 1, 2)
    teacher[0, 0, 0, 0] = 4 * math.log(3.0)
    # One channel sees (3/4, 1/4) against (1/2, 1/2), the other no difference.
    want = 16 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5)) / 2
    assert channel_wise_divergence(student, teacher).item() == pytest.approx(want)


def test_a_channels_offset_does_not_count_and_other_classes_do_not_mix():
    student, teacher = maps()
    moved = student + torch.arange(5.0).view(1, 5, 1, 1)
    assert torch.allclose(
        channel_wise_divergence(moved, teacher), channel_wise_divergence(student, teacher)
    )
    assert channel_wise_divergence(student, teacher) != kl_divergence(student, teacher, 4.0)


def test_gradient():
    student, teacher = maps((2, 3, 3, 2), torch.float64)
    assert torch.autograd.gradcheck(lambda s: channel_wise_divergence(s, teacher), student)
    teacher.requires_grad_()
    channel_wise_divergence(student, teacher).backward()
    assert teacher.grad is None


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_maps_are_computed_in_float32(dtype):
    student, teacher = maps(dtype=dtype)
    with torch.autocast('cpu', dtype):
        loss = channel_wise_divergence(student, teacher)
    assert torch.equal(loss, channel_wise_divergence(student.float(), teacher.float()))


@pytest.mark.parametrize(
    ('student', 'teacher', 'says'),
    [
        ((2, 5, 4, 4), (2, 5, 8, 8), 'H and W must agree'),
        ((2, 5, 4, 4), (2, 6, 4, 4), 'N and C must agree'),
        ((2, 5), (2, 5), r'student must be a non-empty \(N, C, H, W\) map'),
    ],
)
def test_wrong_shapes_are_named(student, teacher, says):
    with pytest.raises(ValueError, match=says) as raised:
        channel_wise_divergence(torch.zeros(student), torch.zeros(teacher))
    assert str(student) in str(raised.value)
    assert str(teacher) in str(raised.value)


def test_wrong_temperature():
    with pytest.raises(ValueError, match='tau must be'):
        channel_wise_divergence(*maps(), 0.0)


def test_compiles_into_one_graph():
    torch._dynamo.reset()
    compiled = torch.compile(channel_wise_divergence, fullgraph=True, backend='aot_eager')
    student, teacher = maps()
    assert torch.allclose(compiled(student, teacher), channel_wise_divergence(student, teacher))

import pytest
import torch

import ickd_mm
from ickd_mm.registry import MODELS


@pytest.mark.parametrize('shape', [(4, 7), (2, 9, 7), (2, 7, 3, 5)])
def test_value_and_gradient_are_the_formulas(shape):
    torch.manual_seed(0)
    student, teacher = torch.randn(2, *shape)
    student.requires_grad_()
    loss = ickd_mm.MSELoss(loss_weight=2.5)(student, teacher)
    gap = student.detach().double() - teacher.double()
    assert loss.item() == pytest.approx(2.5 * (gap**2).sum().item() / gap.numel(), rel=1e-6)
    loss.backward()
    assert torch.allclose(student.grad.double(), 5 * gap / gap.numel(), rtol=1e-6)


def test_gradcheck_in_float64():
    student, teacher = torch.randn(2, 2, 3, 2, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda s: ickd_mm.MSELoss()(s, teacher), student.requires_grad_()
    )


def test_half_maps_do_not_overflow():
    student, teacher = torch.full((2, 3, 4, 4), 300.0).half(), torch.zeros(2, 3, 4, 4).half()
    with torch.autocast('cpu', torch.bfloat16):
        assert ickd_mm.MSELoss()(student, teacher).item() == 300.0**2


def test_no_gradient_for_the_teacher():
    student, teacher = (torch.randn(4, 5, requires_grad=True) for _ in range(2))
    ickd_mm.MSELoss()(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad.any()


@pytest.mark.parametrize(
    ('student', 'teacher', 'says'),
    [
        ((2, 5, 4, 4), (2, 5, 8, 8), 'H and W must agree.*same stride'),
        ((2, 5, 4, 4), (2, 6, 4, 4), 'N and C must agree.*connector'),
        ((2, 5, 1, 1), (2, 5), 'N and C must agree'),
        ((5,), (5,), 'student must be a non-empty'),
    ],
)
def test_nothing_is_broadcast(student, teacher, says):
    with pytest.raises(ValueError, match=says) as raised:
        ickd_mm.MSELoss()(torch.zeros(student), torch.zeros(teacher))
    assert str(student) in str(raised.value)
    assert str(teacher) in str(raised.value)


def test_wrong_weight():
    with pytest.raises(ValueError, match='loss_weight must be'):
        ickd_mm.MSELoss(loss_weight=-1)


def test_built_from_a_config():
    module = MODELS.build(dict(type='ickd_mm.MSELoss', loss_weight=100.0))
    assert type(module) is ickd_mm.MSELoss
    assert 'loss_weight=100.0' in repr(module)


def test_compiles_into_one_graph():
    torch._dynamo.reset()
    module = ickd_mm.MSELoss(3.0)
    student, teacher = torch.randn(2, 2, 5, 4, 4)
    compiled = torch.compile(module, fullgraph=True, backend='aot_eager')
    assert torch.allclose(compiled(student, teacher), module(student, teacher))

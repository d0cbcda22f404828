import pytest
import torch

from ickd_mm.functional import icc_loss
from ickd_mm.losses import ICKDLoss
from ickd_mm.registry import MODELS


@pytest.mark.parametrize('grid', [1, 2, (3, 2)])
@pytest.mark.parametrize('form', [(True, False), (True, True), (False, False)])
def test_module_is_the_weighted_function(grid, form):
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 20, 6, 6), torch.randn(2, 20, 7, 9)
    module = ICKDLoss(grid, *form, loss_weight=2.5)
    assert torch.equal(module(student, teacher), 2.5 * icc_loss(student, teacher, grid, *form))


def test_value_of_two_channels_by_hand():
    student = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).view(1, 2, 1, 2)
    teacher = torch.tensor([[1.0, 0.0], [1.0, 0.0]]).view(1, 2, 1, 2)
    # Rows (1, 0) and (0, 1) against (1, 1)/√2 twice: each adds 2 − 2/√2.
    assert ICKDLoss()(student, teacher).item() == pytest.approx(2 - 2**0.5)
    # G_s − G_t = [[0, −1], [−1, 0]].
    assert ICKDLoss(normalize=False)(student, teacher).item() == pytest.approx(2 / 4)
    # Centred, (1, -1)/2 and (-1, 1)/2 against (1, -1)/2 twice: G is ½[[1, -1], [-1, 1]] and
    # ½[[1, 1], [1, 1]], whose unit rows are orthogonal.
    assert ICKDLoss(center=True)(student, teacher).item() == pytest.approx(2)


def test_weight_scales_the_gradient():
    teacher, grads = torch.randn(2, 20, 4, 4), []
    start = torch.randn(2, 20, 4, 4)
    for weight in (1.0, 3.0, 0.0):
        student = start.clone().requires_grad_()
        ICKDLoss(loss_weight=weight)(student, teacher).backward()
        grads.append(student.grad)
    assert torch.allclose(grads[1], 3 * grads[0])
    assert not grads[2].any()


@pytest.mark.parametrize('grid', [0, -2, (1, 0), 1.5, (1, 2, 3), 'a'])
def test_wrong_grid_is_refused_when_built(grid):
    with pytest.raises((TypeError, ValueError), match='grid must be a positive integer'):
        ICKDLoss(grid=grid)


@pytest.mark.parametrize('weight', [-1.0, float('nan')])
def test_wrong_weight_is_refused(weight):
    with pytest.raises(ValueError, match='loss_weight'):
        ICKDLoss(loss_weight=weight)


@pytest.mark.parametrize('switch', ['normalize', 'center', 'cross'])
def test_a_switch_must_be_a_boolean(switch):
    with pytest.raises(TypeError, match=f'{switch} must be True or False, got 2.0'):
        ICKDLoss(**{switch: 2.0})


def test_built_from_a_config():
    module = MODELS.build(dict(type='ickd_mm.ICKDLoss', grid=(2, 4), center=True, loss_weight=3.0))
    assert isinstance(module, ICKDLoss)
    assert not list(module.parameters())
    assert 'grid=(2, 4), normalize=True, center=True, cross=False, loss_weight=3.0' in repr(module)

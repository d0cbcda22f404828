"""The loss once more, straight from its formula, in float64."""

import pytest
import torch


def cut(x, grid):
    for band in torch.tensor_split(x, grid[0], dim=2):
        yield from torch.tensor_split(band, grid[1], dim=3)


def naive(student, teacher, grid, normalize):
    """Value and gradient of the formula; a zero student row has the subgradient zero."""
    student = student.detach().double().requires_grad_()
    teacher = teacher.detach().double()
    images, channels = student.shape[:2]
    total = 0.0
    for ours, theirs in zip(cut(student, grid), cut(teacher, grid)):
        grams = [f.flatten(2) @ f.flatten(2).mT for f in (ours, theirs)]
        if normalize:
            lengths = [g.square().sum(-1, keepdim=True) for g in grams]
            grams = [g / torch.where(q == 0, 1.0, q).sqrt() for g, q in zip(grams, lengths)]
        total = total + (grams[0] - grams[1]).square().sum()
    loss = total / (images * channels * grid[0] * grid[1] * (1 if normalize else channels))
    (grad,) = torch.autograd.grad(loss, student)
    if normalize:
        for cell, its_grad in zip(cut(student.detach(), grid), cut(grad, grid)):
            its_grad.mul_((cell != 0).any(3, keepdim=True).any(2, keepdim=True))
    return loss.detach(), grad


def relative(got, want, floor=1e-12):
    """Norm of the difference over the norm of what is wanted."""
    want = want.double()
    return ((got.double() - want).norm() / want.norm().clamp_min(floor)).item()


@pytest.fixture
def exact():
    return naive


@pytest.fixture
def error():
    return relative

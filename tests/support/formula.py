"""The loss once more, straight from its formula, in float64."""

import torch

EPS = 2.0**-23  # float32's: a row this short beside its cell's longest counts as zero


def cut(x, grid):
    for band in torch.tensor_split(x, grid[0], dim=2):
        yield from torch.tensor_split(band, grid[1], dim=3)


def gram(cell, other, normalize, center):
    f, other = cell.flatten(2), other.flatten(2)
    if center:
        f, other = f - f.mean(2, keepdim=True), other - other.mean(2, keepdim=True)
    g = f @ other.mT
    if not normalize:
        return g
    squares = g.square().sum(2, keepdim=True)
    dead = squares <= EPS**2 * squares.amax(1, keepdim=True)
    return torch.where(dead, 0.0, g / torch.where(dead, 1.0, squares).sqrt())


def formula(student, teacher, grid=(1, 1), normalize=True, center=False, cross=False):
    """Value and gradient."""
    student = student.detach().double().requires_grad_()
    teacher = teacher.detach().double()
    images, channels = student.shape[:2]
    total = 0.0
    for ours, theirs in zip(cut(student, grid), cut(teacher, grid)):
        g = gram(ours, theirs if cross else ours, normalize, center)
        total = total + (g - gram(theirs, theirs, normalize, center)).square().sum()
    loss = total / (images * channels * grid[0] * grid[1] * (1 if normalize else channels))
    return loss.detach(), torch.autograd.grad(loss, student)[0]


def relative(got, want, floor=1e-12):
    """Norm of the difference over the norm of what is wanted."""
    want = want.double()
    return ((got.double() - want).norm() / want.norm().clamp_min(floor)).item()

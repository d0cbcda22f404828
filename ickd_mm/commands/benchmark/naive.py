"""The loss as the released code computes it, to compare with; not for training."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize as unit_rows


def _cells(x: Tensor, grid: tuple[int, int]) -> list[Tensor]:
    """Return (M, C, P) batches of cells: one batch if the grid divides the map."""
    n, c, h, w = x.shape
    rows, cols = grid
    if rows * cols == 1:
        return [x.flatten(2)]
    if h % rows == 0 and w % cols == 0:
        split = x.view(n, c, rows, h // rows, cols, w // cols)
        return [split.permute(0, 2, 4, 1, 3, 5).reshape(n * rows * cols, c, -1)]
    bands = torch.tensor_split(x, rows, dim=2)
    return [cell.flatten(2) for band in bands for cell in torch.tensor_split(band, cols, dim=3)]


def naive_loss(
    student: Tensor, teacher: Tensor, grid: tuple[int, int] = (1, 1), normalize: bool = True
) -> Tensor:
    """Build both C×C matrices of every cell, subtract, square, sum; autograd does the rest.

    The arguments are those of :func:`ickd_mm.icc_loss`.
    """
    total = student.new_zeros(())
    for ours, theirs in zip(_cells(student, grid), _cells(teacher, grid)):
        grams = [torch.bmm(f, f.transpose(1, 2)) for f in (ours, theirs)]
        if normalize:
            grams = [unit_rows(g, dim=2) for g in grams]
        total = total + ((grams[0] - grams[1]) ** 2).sum()
    n, c = student.shape[:2]
    return total / (n * c * grid[0] * grid[1] * (1 if normalize else c))

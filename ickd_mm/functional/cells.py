"""Cutting a pair of feature maps into the cells of a grid, in batches of equally large cells."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple, Union

from torch import Tensor

Grid = Union[int, tuple[int, int]]


class Run(NamedTuple):
    """``cells`` neighbouring cells along one axis, each ``size`` pixels long, from ``start`` on."""

    start: int
    size: int
    cells: int


class Block(NamedTuple):
    """A rectangle of equally large cells in some images of a batch."""

    images: slice
    rows: Run
    cols: Run

    def _view(self, x: Tensor) -> Tensor:
        (top, height, down), (left, width, across) = self.rows, self.cols
        window = x[self.images, :, top : top + height * down, left : left + width * across]
        cells = window.view(*window.shape[:2], down, height, across, width)
        return cells.permute(0, 2, 4, 3, 5, 1)

    def cut(self, x: Tensor, channels_last: bool = True) -> Tensor:
        """Return these cells of a map (N, C, H, W) as (cells, P, C), either axis innermost."""
        view, pixels = self._view(x), self.rows.size * self.cols.size
        if channels_last:
            return view.reshape(-1, pixels, x.shape[1])
        return view.permute(0, 1, 2, 5, 3, 4).reshape(-1, x.shape[1], pixels).mT

    def paste(self, cells: Tensor, x: Tensor) -> None:
        """Write (cells, P, C) where :meth:`cut` found them."""
        view = self._view(x)
        view.copy_(cells.reshape(view.shape))


def parse_grid(grid: Grid) -> tuple[int, int]:
    """Return ``n`` as (n, n), and a pair of cells (down, across) as it is.

    Raises:
        TypeError: if ``grid`` is neither an integer nor a pair of integers.
        ValueError: if a number of cells is below 1.
    """
    cells = tuple(grid) if isinstance(grid, (tuple, list)) else (grid, grid)
    error = f'grid must be a positive integer or two of them, got {grid!r}'
    if len(cells) != 2 or any(type(n) is not int for n in cells):
        raise TypeError(error)
    if min(cells) < 1:
        raise ValueError(error)
    return cells


def paired_runs(student: int, teacher: int, cells: int) -> list[tuple[Run, Run]]:
    """Cut two axes into ``cells`` cells each as :func:`torch.tensor_split` does.

    The first ``length % cells`` cells of an axis are one pixel longer than the others, so the two
    axes together have at most three runs of cells in which neither size changes.
    Returned are these, in order, each as (the student's, the teacher's).
    """

    def run(length: int, first: int, last: int) -> Run:
        size, longer = length // cells, length % cells  # torch.compile knows no divmod
        return Run(first * size + min(first, longer), size + (first < longer), last - first)

    edges = sorted({0, student % cells, teacher % cells, cells})
    return [(run(student, *ends), run(teacher, *ends)) for ends in zip(edges, edges[1:])]


def paired_blocks(
    student: Tensor, teacher: Tensor, grid: tuple[int, int], limit: int
) -> Iterator[tuple[Block, Block]]:
    """Split cells into blocks of ``limit`` numbers, or of one image's row of cells if larger."""
    images, channels, height, width = student.shape
    down = paired_runs(height, teacher.shape[2], grid[0])
    across = paired_runs(width, teacher.shape[3], grid[1])
    for rows, cols in product(down, across):
        area = max(r.size * c.size for r, c in zip(rows, cols))
        fit = max(1, limit // (channels * area * cols[0].cells))  # rows of cells in a block
        many, step = max(1, fit // rows[0].cells), min(fit, rows[0].cells)
        for image, first in product(range(0, images, many), range(0, rows[0].cells, step)):
            cells = min(step, rows[0].cells - first)
            yield tuple(
                Block(slice(image, image + many), Run(r.start + first * r.size, r.size, cells), c)
                for r, c in zip(rows, cols)
            )

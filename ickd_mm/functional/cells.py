"""Cutting feature maps into the cells of a grid, and moving cells in and out of blocks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

Grid = int | tuple[int, int]


class Span(NamedTuple):
    """``cells`` cells in a row along one axis, all of ``size`` pixels, from ``start`` on."""

    start: int
    size: int
    cells: int

    def part(self, first: int, count: int) -> Span:
        """Return ``count`` of the cells, beginning with number ``first``."""
        return Span(self.start + first * self.size, self.size, count)


class Region(NamedTuple):
    """A rectangle of equally large cells in some images of a batch."""

    images: slice
    rows: Span
    cols: Span

    @property
    def pixels(self) -> int:
        """Pixels in one cell."""
        return self.rows.size * self.cols.size


def parse_grid(grid: Grid) -> tuple[int, int]:
    """Return ``grid`` as (rows, columns).

    Args:
        grid: ``n`` for n×n cells, or ``(n, m)``; positive integers.

    Raises:
        TypeError: if it is no integer and no pair of integers.
        ValueError: if a number of cells is below 1.
    """
    cells = tuple(grid) if isinstance(grid, (tuple, list)) else (grid, grid)
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in cells)
    if len(cells) != 2 or not whole:
        raise TypeError(f'grid must be a positive integer or two of them, got {grid!r}')
    if min(cells) < 1:
        raise ValueError(f'grid must be a positive integer or two of them, got {grid!r}')
    return cells


@lru_cache
def paired_spans(student: int, teacher: int, cells: int) -> list[tuple[Span, Span]]:
    """Cut two axes into ``cells`` cells each as :func:`torch.tensor_split` does.

    The first ``length % cells`` cells of an axis are one pixel longer than the others, so both
    axes together show at most three runs of cells whose sizes do not change.

    Args:
        student: length of the student's axis, at least ``cells``.
        teacher: length of the teacher's.
        cells: number of cells on the axis.

    Returns:
        The runs in order, each as (the student's span, the teacher's).
    """

    def span(length: int, first: int, last: int) -> Span:
        size, longer = divmod(length, cells)
        return Span(first * size + min(first, longer), size + (first < longer), last - first)

    edges = sorted({0, student % cells, teacher % cells, cells})
    return [
        (span(student, first, last), span(teacher, first, last))
        for first, last in zip(edges, edges[1:])
    ]


def blocks(images: int, rows: int, cols: int, most: int) -> Iterator[tuple[slice, slice, slice]]:
    """Split images × rows × cols cells into rectangular blocks of at most ``most`` cells.

    Args:
        images: number of images.
        rows: cells down.
        cols: cells across.
        most: cells wanted in a block at most; one block holds at least one cell.
    """
    col_step = max(1, min(cols, most))
    row_step = max(1, min(rows, most // cols))
    image_step = max(1, min(images, most // (rows * cols)))
    for n in range(0, images, image_step):
        for r in range(0, rows, row_step):
            for c in range(0, cols, col_step):
                yield (
                    slice(n, min(n + image_step, images)),
                    slice(r, min(r + row_step, rows)),
                    slice(c, min(c + col_step, cols)),
                )


def _window(x: Tensor, region: Region) -> Tensor:
    rows, cols = region.rows, region.cols
    bottom = rows.start + rows.size * rows.cells
    right = cols.start + cols.size * cols.cells
    if x.shape[2:] == (bottom - rows.start, right - cols.start):
        return x[region.images]
    return x[region.images, :, rows.start : bottom, cols.start : right]


def gather(x: Tensor, region: Region, dtype: torch.dtype) -> Tensor:
    """Return the cells of ``region`` as (cells, P, C), without a copy where strides allow it.

    A lone cell of 16 pixels or more keeps its layout, so that either P or C may be the
    contiguous axis. Anything else is copied with the channels innermost.
    """
    rows, cols = region.rows, region.cols
    window = _window(x, region).to(dtype)
    images, channels = window.shape[:2]
    if rows.cells * cols.cells == 1:
        cell = window.flatten(2).transpose(1, 2)
        return cell if cell.stride(2) == 1 or region.pixels >= 16 else cell.contiguous()
    if window.is_cuda or window.stride(1) == 1:
        pixels = window.permute(0, 2, 3, 1)
    else:
        # One matrix transpose an image is several times faster on a CPU than a strided copy.
        flat = window.contiguous().flatten(2)
        pixels = flat.new_empty(images, flat.shape[2], channels)
        for target, source in zip(pixels, flat):
            target.copy_(source.t())
    shape = (images, rows.cells, rows.size, cols.cells, cols.size, channels)
    cells = pixels.reshape(shape).transpose(2, 3)
    return cells.reshape(-1, region.pixels, channels)


def scatter(cells: Tensor, x: Tensor, region: Region) -> None:
    """Write (cells, P, C) into ``region`` of the map ``x``; undoes :func:`gather`."""
    rows, cols = region.rows, region.cols
    window = _window(x, region)
    images, channels = window.shape[:2]
    if rows.cells * cols.cells == 1:
        window.copy_(cells.transpose(1, 2).reshape(window.shape))
        return
    shape = (images, rows.cells, cols.cells, rows.size, cols.size, channels)
    pixels = cells.reshape(shape).transpose(2, 3).reshape(images, -1, channels)
    if window.is_cuda or window.stride(1) == 1:
        height, width = window.shape[2:]
        window.copy_(pixels.view(images, height, width, channels).permute(0, 3, 1, 2))
        return
    flat = pixels.new_empty(channels, pixels.shape[1])
    for target, source in zip(window, pixels):
        target.copy_(flat.copy_(source.t()).view_as(target))


def gather_rows(x: Tensor, region: Region, dtype: torch.dtype) -> Tensor:
    """Return the cells of ``region`` as (cells, C, P), without a copy where strides allow it."""
    rows, cols = region.rows, region.cols
    window = _window(x, region).to(dtype)
    images, channels = window.shape[:2]
    if rows.cells * cols.cells == 1:
        return window.flatten(2)
    shape = (images, channels, rows.cells, rows.size, cols.cells, cols.size)
    cells = window.reshape(shape).permute(0, 2, 4, 1, 3, 5)
    return cells.reshape(-1, channels, region.pixels)


def scatter_rows(cells: Tensor, x: Tensor, region: Region) -> None:
    """Write (cells, C, P) into ``region`` of the map ``x``; undoes :func:`gather_rows`."""
    rows, cols = region.rows, region.cols
    window = _window(x, region)
    images, channels = window.shape[:2]
    shape = (images, rows.cells, cols.cells, channels, rows.size, cols.size)
    pixels = cells.view(shape).permute(0, 3, 1, 4, 2, 5)
    window.copy_(pixels.reshape(window.shape))


def whole_cell(x: Tensor, region: Region) -> Tensor | None:
    """Return a region of one cell an image as a writable (images, C, P), if strides allow."""
    window = _window(x, region)
    if region.rows.cells * region.cols.cells > 1 or window.stride(2) != (
        window.shape[3] * window.stride(3)
    ):
        return None
    return window.view(*window.shape[:2], region.pixels)

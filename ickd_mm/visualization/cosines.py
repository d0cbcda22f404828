"""Cosines between channels, the order that shows their groups, and cells side by side."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..functional.icc import inter_channel_correlation

SIDE = 1024
"""Pixels of a mosaic's longer side, at least where it has as many channels."""


def channel_cosines(x: Tensor, center: bool = False) -> np.ndarray:
    r"""Compare the channels of one cell.

    .. math:: c_{ij} = \frac{\langle f_i, f_j \rangle}{\lVert f_i \rVert \lVert f_j \rVert}

    Args:
        x: (N, C, h, w).
        center: take each channel's mean away first: Pearson's correlation coefficients.

    Returns:
        (N, C, C) from -1 to 1 in float32. A channel that is zero, or lost in the rounding of the
        largest, has 0 everywhere.
    """
    gram = inter_channel_correlation(x.double(), 1, False, center)[:, 0]
    length = gram.diagonal(dim1=1, dim2=2).sqrt()
    dead = length <= torch.finfo(x.dtype).eps * length.amax(1, True)
    inverse = (1 / length).masked_fill(dead, 0.0)
    cosines = gram * inverse[:, :, None] * inverse[:, None, :]
    return cosines.clamp(-1.0, 1.0).float().cpu().numpy()


def _cells(x: Tensor, grid: tuple[int, int]) -> list[list[Tensor]]:
    bands = torch.tensor_split(x, grid[0], dim=2)
    return [list(torch.tensor_split(band, grid[1], dim=3)) for band in bands]


def mean_cosines(maps: list[Tensor], grid: tuple[int, int], center: bool) -> np.ndarray:
    """Average the cosines over images, (1, C, h, w) each, and cells: (C, C)."""
    every = (cell for x in maps for band in _cells(x, grid) for cell in band)
    return sum(channel_cosines(cell, center)[0] for cell in every) / (len(maps) * grid[0] * grid[1])


def channel_order(cosines: np.ndarray) -> np.ndarray:
    """Order channels by average-linkage clustering, so that those that agree are neighbours.

    Args:
        cosines: (C, C), symmetric; the distance of two channels is 1 - cosine.

    Raises:
        ImportError: without scipy.
    """
    try:
        from scipy.cluster.hierarchy import leaves_list, linkage
        from scipy.spatial.distance import squareform
    except ImportError as error:
        text = "clustering the channels needs scipy: pip install 'ickd-mm[demo]'"
        raise ImportError(text) from error
    if len(cosines) < 2:
        return np.arange(len(cosines))
    distances = 1 - (cosines + cosines.T) / 2
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances.clip(0), checks=False), 'average', len(cosines) <= 1024)
    return leaves_list(tree)


def _shrunk(matrix: np.ndarray, side: int) -> np.ndarray:
    """Average blocks of a matrix until it has at most ``side`` rows and columns."""
    count = len(matrix)
    if count <= side:
        return matrix
    edges = np.linspace(0, count, side + 1).astype(int)
    sums = np.add.reduceat(np.add.reduceat(matrix, edges[:-1], 0), edges[:-1], 1)
    lengths = np.diff(edges)
    return sums / np.outer(lengths, lengths)


def mosaic(x: Tensor, grid: tuple[int, int], center: bool, order: np.ndarray) -> np.ndarray:
    """Lay the cosines of a map's cells out as the cells lie in the image, gaps between them.

    Args:
        x: (1, C, H, W).
        grid: cells down and across.
        center: see :func:`channel_cosines`.
        order: of the channels.

    Returns:
        (height, width): C × C for each cell, averaged down to :data:`SIDE` for all where larger;
        the gaps are NaN.
    """
    side, gap = SIDE // max(grid), np.nan
    rows = []
    for band in _cells(x, grid):
        tiles = [
            _shrunk(channel_cosines(cell, center)[0][np.ix_(order, order)], side) for cell in band
        ]
        width = max(1, len(tiles[0]) // 40)
        tiles = [np.pad(tile, (0, width), constant_values=gap) for tile in tiles]
        rows.append(np.concatenate(tiles, 1))
    return np.concatenate(rows, 0)[:-width, :-width]

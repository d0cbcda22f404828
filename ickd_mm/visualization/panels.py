"""One pair's matrices, for teacher and students, in one order of the channels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from ..functional.icc import icc_loss
from ..losses import ICKDLoss
from .cosines import channel_order, mean_cosines, mosaic

MOST_CELLS = 8
"""A grid of more cells down or across is drawn as one matrix, the mean over its cells."""


@dataclass(frozen=True)
class Panel:
    """The matrices of one model.

    Attributes:
        name: of the model.
        about: what its channels are.
        channels: how many.
        mosaics: (images, height, width), see :func:`~.cosines.mosaic`.
        distances: to the teacher, for each image; empty where there is none.
    """

    name: str
    about: str
    channels: int
    mosaics: np.ndarray
    distances: tuple[float, ...] = ()


class PairView:
    r"""How one pair is looked at.

    The distance of a student's map to the teacher's is half of what :func:`ickd_mm.icc_loss` gives
    with normalised rows and the pair's ``grid``, ``center`` and ``cross``: 1 minus the agreement,
    the mean cosine between the rows of their matrices. Weights do not count.

    Args:
        pair: of a distiller; where its loss is another than ICKDLoss, the map is one cell.
        teacher: the teacher's maps, (1, C, H, W) each.
        center: compare covariances; by default as the pair's loss does.
    """

    def __init__(self, pair: Any, teacher: list[Tensor], center: bool | None = None) -> None:
        icc = isinstance(pair.loss, ICKDLoss)
        self.name, self.teacher_maps = pair.name, teacher
        self.grid: tuple[int, int] = pair.loss.grid if icc else (1, 1)
        self.center = (icc and pair.loss.center) if center is None else center
        self.cross = icc and pair.loss.cross
        self.connector = '' if pair.connector is None else type(pair.connector).__name__
        self.taps = pair.student.path, pair.teacher.path
        self.order = channel_order(mean_cosines(teacher, self.grid, self.center))

    @property
    def drawn_grid(self) -> tuple[int, int]:
        """The cells that are drawn."""
        return self.grid if max(self.grid) <= MOST_CELLS else (1, 1)

    @cached_property
    def teacher(self) -> Panel:
        """The teacher's matrices."""
        return self._panel('teacher', self.taps[1], self.teacher_maps, self.order)

    def student(self, name: str, maps: list[Tensor], ready: bool = True) -> Panel:
        """Return a student's matrices.

        Args:
            name: of the student.
            maps: (1, C, H, W) each, behind the connector where the pair has one.
            ready: whether there was a connector where the pair has one. Without it channel i is
                not meant to be the teacher's channel i: the student's channels are clustered on
                their own, and there is no distance.
        """
        about, channels = self.taps[0], maps[0].shape[1]
        if self.connector:
            about += f', through its {self.connector}' if ready else ', without a connector'
        distances: tuple[float, ...] = ()
        if ready and channels == self.teacher_maps[0].shape[1]:
            order = self.order
            distances = tuple(self._distance(*both) for both in zip(maps, self.teacher_maps))
        else:
            order = channel_order(mean_cosines(maps, self.grid, self.center))
        return self._panel(name, about, maps, order, distances)

    def _distance(self, student: Tensor, teacher: Tensor) -> float:
        return icc_loss(student, teacher, self.grid, True, self.center, self.cross).item() / 2

    def _panel(
        self,
        name: str,
        about: str,
        maps: list[Tensor],
        order: np.ndarray,
        distances: tuple[float, ...] = (),
    ) -> Panel:
        if self.drawn_grid == self.grid:
            drawn = [mosaic(x, self.grid, self.center, order) for x in maps]
        else:
            means = (mean_cosines([x], self.grid, self.center) for x in maps)
            drawn = [mean[np.ix_(order, order)] for mean in means]
        return Panel(name, about, maps[0].shape[1], np.stack(drawn), distances)

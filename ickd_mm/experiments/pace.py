"""Seconds of a training step of every line, one process at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from .grid import Cell
from .run import Run

STEPS, WINDOW = 60, 10


def time_steps(
    cells: list[Cell], root: Path, report: Callable[[str, float], None]
) -> dict[str, float]:
    """Train every line for 60 steps, alone on the machine, and take the median of their time.

    What the runs themselves logged is no measure of a step: they share cores with each other,
    and with ``--share-teacher`` most do not run the teacher.

    Args:
        cells: the comparison; of each its first seed is run, without a store.
        root: the comparison's folder; these runs are in ``pace``.
        report: called with the name and the seconds of each.

    Returns:
        Name -> seconds of a step, data loading included.

    Raises:
        RuntimeError: if a run fails.
    """
    short = (
        ('train_cfg.max_iters', STEPS),
        ('train_cfg.val_interval', STEPS),
        ('default_hooks.logger.interval', WINDOW),
    )
    pace = {}
    for cell in cells:
        first = next(iter(cell.runs.values()))
        folder = root / 'pace' / first.folder.name
        run = Run(first.config, folder, (*first.options, *short))
        done = run.finished()
        if done is None:
            started = time.time()
            done = run.finish(run.start(), started)
        pace[cell.name] = done.step_seconds
        report(cell.name, done.step_seconds)
    return pace

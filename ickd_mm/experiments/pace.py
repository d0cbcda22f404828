"""Seconds of a training step of every line, one process at a time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from mmengine.config import Config

from .grid import Cell
from .run import Run, read_scalars

STEPS, WINDOW = 60, 10


def check_pace(cells: list[Cell]) -> None:
    """Say before the first run whether steps cannot be timed.

    Raises:
        ValueError: for a config that trains by epochs, with its name.
    """
    for cell in cells:
        config = next(iter(cell.runs.values())).config
        loop = Config.fromfile(config, import_custom_modules=False).get('train_cfg') or {}
        if loop.get('by_epoch') or 'max_epochs' in loop:
            raise ValueError(
                f'--time-steps needs configs that count iterations; {config} trains for epochs: '
                'give --step-seconds'
            )


def time_steps(
    cells: list[Cell], root: Path, report: Callable[[str, float], None]
) -> dict[str, float]:
    """Train every line for 60 steps, alone on the machine; their mean time without the first 10.

    The mean, since steps may differ: a pair's weight that falls to 0 ends the teacher's part.

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
        options = (*first.options, *short)
        if first.distils():
            options += (('model.teacher_run.store', None),)
        run = Run(first.config, folder, options)
        if run.finished() is None:
            started = time.time()
            run.finish(run.start(), started)
        windows = [s['time'] for s in read_scalars(folder) if 'loss' in s and 'time' in s]
        pace[cell.name] = statistics.mean(windows[1:])
        report(cell.name, pace[cell.name])
    return pace

"""Seconds of a training step of every line, one process at a time."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from mmengine.config import Config

from .grid import Cell
from .run import Run, read_scalars

STEPS, WINDOW, ROUNDS = 60, 10, 3


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
    """Train every line for 60 steps, alone on the machine, and all of them again, three times.

    The lines take turns, so that a slow minute of the machine meets them all: of the rounds the
    median counts. Of a round it is the mean of the steps without the first 10, since steps may
    differ: a pair's weight that falls to 0 ends the teacher's part.

    What the runs themselves logged is no measure of a step: they share cores with each other,
    and with ``--share-teacher`` most do not run the teacher.

    Args:
        cells: the comparison; of each its first seed is run, without a store.
        root: the comparison's folder; these runs are in ``pace``.
        report: called with the name and the seconds of each run.

    Returns:
        Name -> seconds of a step, data loading included.

    Raises:
        RuntimeError: if a run fails.
    """
    seconds: dict[str, list[float]] = {cell.name: [] for cell in cells}
    for turn in range(1, ROUNDS + 1):
        folder = root / 'pace' / f'{_threads()}_threads' / f'round_{turn}'
        runs = {cell.name: _short(cell, folder) for cell in cells}
        if not all(run.finished() for run in runs.values()):
            shutil.rmtree(folder, ignore_errors=True)  # a round is of one time and machine
        for name, run in runs.items():
            if run.finished() is None:
                started = time.time()
                run.finish(run.start(), started)
            windows = [s['time'] for s in read_scalars(run.folder) if 'loss' in s and 'time' in s]
            seconds[name].append(statistics.mean(windows[1:]))
            report(f'{name}, round {turn} of {ROUNDS}', seconds[name][-1])
    return {name: statistics.median(of_rounds) for name, of_rounds in seconds.items()}


def _threads() -> int:
    """Threads of a run that is alone: a figure of other threads is another figure."""
    first = os.environ.get('OMP_NUM_THREADS', '').split(',')[0]
    return int(first) if first.strip().isdigit() else os.cpu_count() or 1


def _short(cell: Cell, root: Path) -> Run:
    """The line's first seed, for as many steps as are timed."""
    first = next(iter(cell.runs.values()))
    options = (
        *first.options,
        ('train_cfg.max_iters', STEPS),
        ('train_cfg.val_interval', STEPS),
        ('default_hooks.logger.interval', WINDOW),
    )
    if first.distils():
        options += (('model.teacher_run.store', None),)
    return Run(first.config, root / first.folder.name, options, metric=first.metric)

"""Seconds of a training step of every line, one process at a time."""

from __future__ import annotations

import copy
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median

from ...registry import is_distiller
from .digest import digest_of
from .run import Run

STEPS, WINDOW, ROUNDS = 60, 10, 3


def short_runs(runs: list[Run], root: Path) -> dict[str, Run]:
    """The first run of every line, by name, for as many steps as are timed, without a store.

    Raises:
        ValueError: for a config that trains by epochs, with its name.
    """
    short: dict[str, Run] = {}
    for run in runs:
        if run.about['name'] in short:
            continue
        cfg, loop = copy.deepcopy(run.cfg), run.cfg.get('train_cfg') or {}
        if loop.get('by_epoch') or 'max_epochs' in loop:
            text = '--time-steps needs iterations, {config} trains for epochs: give --step-seconds'
            raise ValueError(text.format(**run.about))
        steps = {f'train_cfg.{key}': STEPS for key in ('max_iters', 'val_interval')}
        store = {'model.teacher_run.store': None} if is_distiller(cfg.get('model')) else {}
        cfg.merge_from_dict({**steps, 'default_hooks.logger.interval': WINDOW, **store})
        folder = root / run.folder.name
        short[run.about['name']] = Run(cfg, folder, digest_of(cfg), run.about, None, run.metrics)
    return short


def time_steps(runs: list[Run], root: Path, report: Callable[[str], None]) -> dict[str, float]:
    """Train every line for 60 steps, alone on the machine, and all of them again, three times.

    The lines are interleaved, so that a slow minute of the machine affects them all; the median of
    the rounds counts. A round gives the mean of its steps without the first 10, since steps may
    differ: a pair's weight that falls to 0 ends the teacher's part. The times that the runs logged
    are no measure: the runs share cores, and with ``--share-teacher`` the teacher.

    Returns:
        Name -> seconds per step, data loading included.

    Raises:
        RuntimeError: if a run fails.
    """
    seconds: dict[str, list[float]] = {}
    first = os.environ.get('OMP_NUM_THREADS', '').split(',')[0].strip()
    threads = first if first.isdigit() else os.cpu_count() or 1
    for turn in range(1, ROUNDS + 1):
        folder = root / f'step_times/{threads}_threads/round_{turn}'
        short = short_runs(runs, folder)
        if not all(run.finished() for run in short.values()):
            shutil.rmtree(folder, ignore_errors=True)  # one round, one time, one machine
        for name, run in short.items():
            started = time.time()
            result = run.finished() or run.finish(run.start(), started)
            seconds.setdefault(name, []).append(mean(result['step_times'][1:]))
            report(f'{name}, round {turn} of {ROUNDS}: {seconds[name][-1]:.3f} s')
    return {name: median(of_rounds) for name, of_rounds in seconds.items()}

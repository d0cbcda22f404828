"""Configs × varied values × seeds, run side by side."""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from .run import Result, Run

Choice = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Cell:
    """One line of a table: a config with some values varied, over several seeds.

    Attributes:
        config: name of the config.
        choice: the varied keys and their values.
        runs: seed -> run.
    """

    config: str
    choice: Choice
    runs: dict[int, Run]

    @property
    def name(self) -> str:
        """Config name and varied values, for tables and folders."""
        return ' '.join([self.config, *(f'{k.split(".")[-1]}={v}' for k, v in self.choice)])


def _split(text: str, at: str) -> list[str]:
    """Split where ``at`` stands outside brackets and quotes."""
    parts, depth, quote = [''], 0, ''
    for character in text:
        if character in '\'"' and quote in ('', character):
            quote = '' if quote else character
        elif not quote:
            depth += (character in '([{') - (character in ')]}')
        if character == at and not quote and depth == 0:
            parts.append('')
        else:
            parts[-1] += character
    return parts


def parse_variation(text: str) -> list[Choice]:
    """Read ``key=v1,v2`` as two choices; ``a,b=v1:w1,v2:w2`` changes two keys together.

    Commas and colons inside brackets or quotes belong to the value, and so does every colon
    where one key is varied: ``grid=2,(2,4)`` and ``model.teacher=mmseg::a.py,mmseg::b.py``.

    Raises:
        ValueError: if there is no key or no value, or a choice has not one value a key.
    """
    left, _, right = text.partition('=')
    keys = [key for key in left.split(',') if key]
    choices = [
        _split(value, ':') if len(keys) > 1 else [value] for value in _split(right, ',') if value
    ]
    if not keys or not choices or any(len(values) != len(keys) for values in choices):
        raise ValueError(f'--vary takes KEY=V1,V2,... or K1,K2=V1:W1,V2:W2,..., got {text!r}')
    return [tuple(zip(keys, values)) for values in choices]


def lay_out(
    configs: list[str],
    seeds: list[int],
    variations: list[list[Choice]],
    root: Path,
    store: Path | None = None,
) -> list[Cell]:
    """Make one cell for each config and each combination of varied values.

    Args:
        configs: config files.
        seeds: seeds of every cell.
        variations: keys and values to vary, all combinations of them.
        root: folder of the comparison.
        store: folder for the teacher's features, shared by all runs; None for none.

    Raises:
        FileNotFoundError: if a config does not exist.
        ValueError: if two configs have the same name, or a seed comes twice.
    """
    for config in configs:
        if not Path(config).is_file():
            raise FileNotFoundError(f'config {config!r} does not exist')
    stems = [Path(config).stem for config in configs]
    if len(set(stems)) < len(stems) or len(set(seeds)) < len(seeds):
        raise ValueError(f'configs and seeds must differ, got {stems} and {seeds}')
    cells = []
    for config, stem in zip(configs, stems):
        for parts in itertools.product(*variations):
            cell = Cell(stem, tuple(itertools.chain(*parts)), {})
            for seed in seeds:
                name = re.sub(r'[/\\:]', '_', cell.name.replace(' ', '__'))
                folder = root / f'{name}__seed={seed}'
                options = (*cell.choice, ('randomness.seed', seed))
                cell.runs[seed] = Run(config, folder, options, store)
            cells.append(cell)
    return cells


def run_all(
    cells: list[Cell], jobs: int, report: Callable[[str, Result], None]
) -> Iterator[tuple[Cell, int, Result]]:
    """Run what is not finished, ``jobs`` at a time, seed by seed, and yield every result.

    Args:
        cells: what to run.
        jobs: processes at a time, at least 1; the cores are shared out among them.
        report: called with a run's name and result whenever one is new.

    Raises:
        ValueError: if ``jobs`` is below 1.
        RuntimeError: if a run fails; those beside it are stopped and can be gone on with.
    """
    if jobs < 1:
        raise ValueError(f'jobs must be at least 1, got {jobs}')
    threads = max(1, (os.cpu_count() or 1) // jobs)
    queue = [(cell, seed, run) for cell in cells for seed, run in cell.runs.items()]
    queue.sort(key=lambda job: list(job[0].runs).index(job[1]))  # whole seeds first
    running: list[tuple[Cell, int, Run, Popen, float]] = []
    try:
        while queue or running:
            while queue and len(running) < jobs:
                cell, seed, run = queue.pop(0)
                done = run.finished()
                if done is not None:
                    yield cell, seed, done
                else:
                    running.append((cell, seed, run, run.start(threads), time.time()))
            for job in [job for job in running if job[3].poll() is not None]:
                running.remove(job)
                cell, seed, run, process, started = job
                result = run.finish(process, started)
                report(f'{cell.name} seed={seed}', result)
                yield cell, seed, result
            time.sleep(0.2)
    finally:
        for *_, process, _ in running:
            process.terminate()
            process.wait()

"""Configs × varied values × seeds, run side by side."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from .run import Result, Run


@dataclass(frozen=True)
class Cell:
    """One line of a table: a config with some values varied, over several seeds.

    Attributes:
        name: config name and the varied values.
        runs: seed -> run.
    """

    name: str
    runs: dict[int, Run]


def parse_variation(text: str) -> tuple[str, list[str]]:
    """Read ``key=v1,v2`` as the key and its values.

    Raises:
        ValueError: if there is no key or no value.
    """
    key, _, values = text.partition('=')
    parts = [value for value in values.split(',') if value]
    if not key or not parts:
        raise ValueError(f'--vary takes KEY=V1,V2,..., got {text!r}')
    return key, parts


def lay_out(
    configs: list[str], seeds: list[int], variations: list[tuple[str, list[str]]], root: Path
) -> list[Cell]:
    """Make one cell for each config and each combination of varied values.

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
        for values in itertools.product(*(values for _, values in variations)):
            chosen = tuple((key, value) for (key, _), value in zip(variations, values))
            name = ' '.join([stem, *(f'{key.split(".")[-1]}={value}' for key, value in chosen)])
            runs = {}
            for seed in seeds:
                folder = root / f'{name.replace(" ", "__")}__seed={seed}'
                runs[seed] = Run(config, folder, (*chosen, ('randomness.seed', seed)))
            cells.append(Cell(name, runs))
    return cells


def run_all(
    cells: list[Cell], jobs: int, report: Callable[[str, Result], None]
) -> Iterator[tuple[Cell, int, Result]]:
    """Run what is not finished, ``jobs`` at a time, and yield every result.

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

"""Configs × varied values × seeds, run side by side."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from mmengine.config import Config

from .run import Result, Run

Choice = tuple[tuple[str, str], ...]
LONGEST_NAME = 120  # of a folder; Windows takes 260 characters for the whole path

Results = dict[str, dict[int, Result]]


@dataclass(frozen=True)
class Cell:
    """One line of a table: a config with some values varied, over several seeds.

    Attributes:
        config: name of the config.
        choice: the varied keys and their values.
        runs: seed -> run.
        together: how many keys of the choice, from the first on, were varied together.
    """

    config: str
    choice: Choice
    runs: dict[int, Run]
    together: int = 1

    @property
    def name(self) -> str:
        """Config name and varied values, each key by as much of its end as tells it apart."""
        keys = [key.split('.') for key, _ in self.choice]
        for length in range(1, max(map(len, keys), default=1) + 1):
            ends = ['.'.join(key[-length:]) for key in keys]
            if len(set(ends)) == len(ends):
                break
        values = (value for _, value in self.choice)
        return ' '.join([self.config, *(f'{k}={v}' for k, v in zip(ends, values))])

    def folder(self, seed: int) -> str:
        """Name of a run's folder: the keys in full, a digest behind what would be too long."""
        parts = [self.config, *(f'{key}={value}' for key, value in self.choice), f'seed={seed}']
        name = re.sub(r'[/\\:*?"<>|]', '_', '__'.join(parts))
        if len(name) > LONGEST_NAME:
            digest = hashlib.sha256(name.encode()).hexdigest()[:12]
            name = f'{name[: LONGEST_NAME - 13]}_{digest}'
        return name


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
    metric: str | None = None,
) -> list[Cell]:
    """Make one cell for each config and each combination of varied values.

    Args:
        configs: config files.
        seeds: seeds of every cell.
        variations: keys and values to vary, all combinations of them.
        root: folder of the comparison.
        store: folder for the teacher's features, shared by all runs; None for none.
        metric: the score that counts, as mmengine logs it; None for mIoU or top-1.

    Raises:
        FileNotFoundError: if a config does not exist.
        ValueError: if a config has no validation, two have the same name, a seed comes twice, or
            two varied values are the same in a folder's name.
    """
    for config in configs:
        if not Path(config).is_file():
            raise FileNotFoundError(f'config {config!r} does not exist')
        if Config.fromfile(config, import_custom_modules=False).get('val_cfg') is None:
            raise ValueError(f'{config} has no val_cfg: without validation there is no score')
    stems = [Path(config).stem for config in configs]
    if len(set(stems)) < len(stems) or len(set(seeds)) < len(seeds):
        raise ValueError(f'configs and seeds must differ, got {stems} and {seeds}')
    cells: list[Cell] = []
    folders: dict[str, Cell] = {}
    for config, stem in zip(configs, stems):
        for parts in itertools.product(*variations):
            cell = Cell(stem, tuple(itertools.chain(*parts)), {}, len(parts[0]) if parts else 1)
            for seed in seeds:
                options = (*cell.choice, ('randomness.seed', seed))
                cell.runs[seed] = Run(config, root / cell.folder(seed), options, store, metric)
            twin = folders.setdefault(cell.folder(seeds[0]).lower(), cell)
            if twin is not cell:
                raise ValueError(
                    f'{twin.name} and {cell.name} would share a folder: values must differ in more'
                )
            cells.append(cell)
    return cells


def remembered(cells: list[Cell]) -> Results:
    """Name -> seed -> result of what has finished before, set aside since or not."""
    results: Results = {cell.name: {} for cell in cells}
    for cell in cells:
        for seed, run in cell.runs.items():
            done = run.finished()
            if done is not None:
                results[cell.name][seed] = done
    return results


def run_missing(
    cells: list[Cell], results: Results, jobs: int, report: Callable[[str], None]
) -> Iterator[tuple[Cell, int, Result | RuntimeError]]:
    """Run what has no result, ``jobs`` at a time, seed by seed, and yield what each gave.

    A run that fails gives its error; the others go on.

    Args:
        cells: what to run.
        results: name -> seed -> result of what need not be run.
        jobs: processes at a time, at least 1; the cores are shared out among them.
        report: called with a line of text whenever a run ends, or takes the folder of another.

    Raises:
        ValueError: if ``jobs`` is below 1.
    """
    if jobs < 1:
        raise ValueError(f'jobs must be at least 1, got {jobs}')
    threads = max(1, (os.cpu_count() or 1) // jobs)
    queue = [
        (cell, seed, run, run.identity())
        for cell in cells
        for seed, run in cell.runs.items()
        if seed not in results[cell.name]
    ]
    queue.sort(key=lambda job: list(job[0].runs).index(job[1]))  # whole seeds first
    running: list[tuple[Cell, int, Run, Popen, float]] = []

    def failed(cell: Cell, seed: int, error: Exception) -> tuple[Cell, int, RuntimeError]:
        report(f'{cell.name} seed={seed} failed')
        return cell, seed, RuntimeError(f'{type(error).__name__}: {error}')

    try:
        while queue or running:
            while queue and len(running) < jobs:
                cell, seed, run, identity = queue.pop(0)
                try:
                    if run.identity() != identity:
                        raise RuntimeError(f'{run.config} or its teacher changed meanwhile')
                    aside = run.set_aside()
                    if aside is not None:
                        report(f'{run.folder.name} held another run: now in {aside.name}')
                    running.append((cell, seed, run, run.start(threads), time.time()))
                except Exception as error:  # a config that is half saved, a folder in use
                    yield failed(cell, seed, error)
            for job in [job for job in running if job[3].poll() is not None]:
                running.remove(job)
                cell, seed, run, process, started = job
                try:
                    new = run.finish(process, started)
                    score = f'{new.metric} {new.score:.2f} in {new.seconds:.0f} s'
                    report(f'{cell.name} seed={seed}: {score}')
                except Exception as error:
                    yield failed(cell, seed, error)
                else:
                    yield cell, seed, new
            time.sleep(0.2)
    finally:
        for *_, process, _ in running:
            process.terminate()
            process.wait()

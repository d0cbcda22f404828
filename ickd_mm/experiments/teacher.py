"""The score of the teacher that a comparison distils, taken once through ``tools/test.py``."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

from .grid import Cell
from .run import METRICS, Run, replace_text, tool

SCORE = 'score.json'


def _distilled(cells: list[Cell], folder: Path) -> list[Run]:
    """One run, without its seed, for each teacher that is distilled."""
    runs: dict[tuple, Run] = {}
    for cell in cells:
        run = next(iter(cell.runs.values()))
        if run.distils():
            identity = run.identity()
            key = tuple(identity.get(name) for name in ('teacher', 'teacher_ckpt'))
            runs.setdefault(key, Run(run.config, folder, cell.choice, metric=run.metric))
    return list(runs.values())


def teacher_score(cells: list[Cell], root: Path) -> float | None:
    """Score the teacher that the configs distil, or remember its score.

    Args:
        cells: the comparison; what is varied in the first distilled one holds here too.
        root: the comparison's folder; the teacher's is ``teacher`` in it.

    Returns:
        The score, 0-100; None where nothing is distilled, or not all from one teacher.

    Raises:
        RuntimeError: if testing fails or gives no score, with the end of its log.
    """
    runs = _distilled(cells, root / 'teacher')
    if len(runs) > 1:
        said = f'{len(runs)} different teachers are distilled: no share of the gap'
        warnings.warn(said, stacklevel=2)
    if len(runs) != 1:
        return None
    (run,) = runs
    run.folder.mkdir(parents=True, exist_ok=True)
    stored, identity = run.folder / SCORE, run.identity()
    try:
        known = json.loads(stored.read_text())
        if known['run'] == identity and known.get('metric') == run.metric:
            return float(known['score'])
    except (OSError, ValueError, KeyError):
        pass
    words = [sys.executable, str(tool('test.py')), run.config, '--teacher']
    words += ['--work-dir', str(run.folder)]
    if run.options:
        words += ['--cfg-options', *(f'{key}={value}' for key, value in run.options)]
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    # mmengine writes what a test gave to <time>/<time>.json, beside the log.
    logged = [json.loads(file.read_text()) for file in sorted(run.folder.glob('*/*.json'))]
    wanted = METRICS if run.metric is None else (run.metric,)
    scores = [metrics[name] for metrics in logged for name in wanted if name in metrics]
    if done.returncode != 0 or not scores:
        tail = '\n'.join((done.stdout + done.stderr).splitlines()[-8:])
        raise RuntimeError(f'{" ".join(words[1:])}\nended with {done.returncode}:\n{tail}')
    known = {'score': scores[-1], 'run': identity, 'metric': run.metric}
    replace_text(stored, json.dumps(known))
    return float(scores[-1])

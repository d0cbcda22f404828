"""The score of the teacher that a comparison distils, taken once through ``tools/test.py``."""

from __future__ import annotations

import json
import subprocess
import warnings
from pathlib import Path

from ...registry import is_distiller
from .digest import digest
from .run import Run, command, tail


def teacher_score(runs: list[Run], root: Path) -> float | None:
    """Score the teacher that the runs distil, with the first run's config, or read its score.

    Its folder in ``root`` is named by a digest of the teacher, so that it is scored once.

    Returns:
        The score, 0-100; None if nothing is distilled, or not all from one teacher.

    Raises:
        RuntimeError: if testing fails or gives no score, with the end of its log.
    """
    models = [(run, run.cfg.model) for run in runs if is_distiller(run.cfg.get('model'))]
    teachers = {digest([m.get('teacher'), m.get('teacher_ckpt')]): run for run, m in models[::-1]}
    if len(teachers) > 1:
        text = f'{len(teachers)} different teachers: the table has no share of the gap'
        warnings.warn(text, stacklevel=2)
    if len(teachers) != 1:
        return None
    ((state, run),) = teachers.items()
    folder = root / f'teacher__{state}'

    def scores() -> list[float]:
        # mmengine writes what a test gave to <time>/<time>.json, beside the log.
        logged = [json.loads(file.read_text()) for file in sorted(folder.glob('*/*.json'))]
        return [float(found[name]) for found in logged for name in run.metrics if name in found]

    if not scores():
        words = [*command('test.py', run.cfg, folder), '--teacher']
        done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0 or not scores():
            raise RuntimeError(tail(done, done.stdout + done.stderr))
    return scores()[-1]

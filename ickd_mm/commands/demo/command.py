"""``tools/demo.py``: train a student alone and distilled, and show the result."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import mmengine
from rich.console import Console
from rich.table import Column, Table

from ..compare.digest import digest_of
from ..compare.grid import Choice, resolve
from ..compare.jobs import run_all
from ..compare.run import Run
from .picture import draw_summary, read_scenes

DATA = Path('data/digits')
ROOT = Path('work_dirs/demo')
STUDENT = 'configs/baselines/pspnet_student_digits.py'
LABELS = {'teacher': 'teacher', 'student': 'student alone', 'ickd': 'student + ICKD'}


def train(runs: dict[str, tuple[str, Choice]], console: Console) -> dict[str, dict[str, Any]]:
    """Train configs with options from the beginning, side by side; return their results.

    Raises:
        RuntimeError: if a training fails, with the end of its log.
    """
    planned = []
    for name, (config, options) in runs.items():
        cfg = resolve(config, options)
        shutil.rmtree(ROOT / name, ignore_errors=True)
        about = {'key': name, 'name': LABELS[name], 'seed': cfg.randomness.seed}
        planned.append(Run(cfg, ROOT / name, digest_of(cfg), about))
    results, failures = run_all(planned, min(len(planned), os.cpu_count() or 1), console)
    if failures:
        raise RuntimeError('\n\n'.join(failures))
    return {result['key']: result for result in results}


def run_demo(seed: int, full: bool = False, options: Choice = ()) -> None:
    """Train both students over one seed; print the table, write summary.json and .png.

    Args:
        seed: of every training.
        full: train the teacher first, instead of taking the shipped one.
        options: laid over every config, as ``--cfg-options`` does.

    Raises:
        RuntimeError: if a training fails, with the end of its log.
    """
    console = Console(soft_wrap=True)
    options, results = (('randomness.seed', str(seed)), *options), {}
    taught: Choice = ()
    if full:
        console.print('Training the teacher')
        results = train(
            {'teacher': ('configs/baselines/pspnet_teacher_digits.py', options)}, console
        )
        file = (ROOT / 'teacher/last_checkpoint').read_text().strip()
        taught = (('model.teacher_ckpt', file),)
    console.print('Training the student alone and the same student with ICKD, side by side')
    runs = {
        'student': (STUDENT, options),
        'ickd': ('configs/ickd/pspnet_digits.py', options + taught),
    }
    results |= train(runs, console)

    scores = {'teacher': results['ickd']['curves']['teacher/mIoU'][-1][1]}
    scores |= {name: results[name]['score'] for name in ('student', 'ickd')}
    headings = ('mIoU', 'iterations', 's / step', 'seconds')
    table = Table('', *(Column(heading, justify='right') for heading in headings))
    table.title = f'Digit scenes, 250 for validation, seed {seed}'
    for name, label in LABELS.items():
        cells = '{iterations} {step_seconds:.3f} {seconds:.0f}'
        rest = cells.format(**results[name]).split() if name in results else ['shipped', '', '']
        table.add_row(label, f'{scores[name]:.1f}', *rest)
    console.print(table)
    gain = scores['ickd'] - scores['student']
    console.print(f'Distillation changed the student by {gain:+.1f} mIoU in the same iterations.')

    seconds = {
        name: round(results[name]['seconds'], 1) if name in results else 0 for name in LABELS
    }
    summary = {'metric': 'mIoU', **scores, 'seed': seed, 'seconds': seconds}
    mmengine.dump(summary, ROOT / 'summary.json', indent=1)
    checkpoints = [(ROOT / name / 'last_checkpoint').read_text() for name in ('student', 'ickd')]
    warnings.simplefilter('ignore')  # mmcv-lite and mmseg warn about parts not used here
    names = (DATA / 'ImageSets/Segmentation/val.txt').read_text().split()[:4]
    scenes = read_scenes(DATA, names, STUDENT, checkpoints)
    title = f'Distilling by inter-channel correlation: {gain:+.1f} mIoU'
    bars = {label: scores[name] for name, label in LABELS.items()}
    draw_summary(bars, scenes, title, ROOT / 'summary.png')
    console.print(f'Written: {ROOT / "summary.json"}, {ROOT / "summary.png"}')

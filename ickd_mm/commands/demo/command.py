"""``tools/demo.py``: train teacher, student and distilled student, and show the result."""

from __future__ import annotations

import shutil
import time
import warnings
from pathlib import Path
from typing import Any

import mmengine
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table

from ..compare.digest import digest_of
from ..compare.grid import resolve
from ..compare.run import Run, read_scalars
from .picture import draw_summary, read_scenes

DATA = Path('data/digits')
ROOT = Path('work_dirs/demo')
STUDENT = 'configs/baselines/pspnet_student_digits.py'
STAGES = {
    'teacher': ('teacher', 'configs/baselines/pspnet_teacher_digits.py', 1000),
    'student': ('student alone', STUDENT, 450),
    'ickd': ('student + ICKD', 'configs/ickd/pspnet_digits.py', 450),
}


def train(run: Run, label: str, total: int, bar: Progress) -> dict[str, Any]:
    """Run one training and show its progress, read from its log."""
    shutil.rmtree(run.folder, ignore_errors=True)
    task = bar.add_task(f'Training the {label}', total=total)
    started = time.time()
    process = run.start()
    try:
        while process.poll() is None:
            steps = [s['step'] for s in read_scalars(run.folder) if 'step' in s]
            bar.update(task, completed=max(steps, default=0))
            time.sleep(0.5)
    finally:
        process.terminate()
    result = run.finish(process, started)
    bar.update(task, completed=total)
    return result


def run_demo(seed: int) -> None:
    """Run the three trainings over one seed; print the table, write summary.json and .png."""
    console = Console()
    columns = TextColumn('{task.description:<28}'), BarColumn(), TimeElapsedColumn()
    results = {}
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        for name, (label, config, total) in STAGES.items():
            cfg = resolve(config, (('randomness.seed', str(seed)),))
            run = Run(cfg, ROOT / name, digest_of(cfg))
            results[name] = train(run, label, total, bar)

    headings = ('mIoU', 'iterations', 's / step', 'seconds')
    table = Table('', *(Column(heading, justify='right') for heading in headings))
    table.title = f'Digit scenes, 250 for validation, seed {seed}'
    for name, (label, *_) in STAGES.items():
        cells = '{score:.1f} {iterations} {step_seconds:.3f} {seconds:.0f}'
        table.add_row(label, *cells.format(**results[name]).split())
    console.print(table)
    gain = results['ickd']['score'] - results['student']['score']
    console.print(f'Distillation changed the student by {gain:+.1f} mIoU in the same iterations.')

    summary: dict = {'metric': 'mIoU', 'seed': seed}
    summary |= {name: result['score'] for name, result in results.items()}
    summary['seconds'] = {name: round(result['seconds'], 1) for name, result in results.items()}
    mmengine.dump(summary, ROOT / 'summary.json', indent=1)
    checkpoints = [(ROOT / name / 'last_checkpoint').read_text() for name in ('student', 'ickd')]
    warnings.simplefilter('ignore')  # mmcv-lite and mmseg warn about parts not used here
    names = (DATA / 'ImageSets/Segmentation/val.txt').read_text().split()[:4]
    scenes = read_scenes(DATA, names, STUDENT, checkpoints)
    scores = {label: results[name]['score'] for name, (label, *_) in STAGES.items()}
    title = f'Distilling by inter-channel correlation: {gain:+.1f} mIoU'
    draw_summary(scores, scenes, title, ROOT / 'summary.png')
    console.print(f'Written: {ROOT / "summary.json"}, {ROOT / "summary.png"}')

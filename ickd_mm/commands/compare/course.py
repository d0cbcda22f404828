"""A comparison from its arguments to its tables."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout
from rich.console import Console

from .grid import lay_out, parse_variation
from .jobs import run_all
from .plots import plot_curves, plot_final, plot_scores
from .run import METRICS, Run
from .step_times import short_runs, time_steps
from .tables import as_text, summarize, write_tables
from .teacher import teacher_score


def plan(args: argparse.Namespace) -> list[Run]:
    """Lay out the runs that the arguments of ``tools/compare.py`` ask for; nothing is written.

    Raises:
        FileNotFoundError: if a config, or one that it names, does not exist.
        ValueError: if anything else in the arguments is wrong.
    """
    if args.jobs < 1:
        raise ValueError(f'--jobs must be at least 1, got {args.jobs}')
    if args.step_seconds and len(args.step_seconds) != len(args.configs):
        raise ValueError('--step-seconds takes one number per config')
    variations = [parse_variation(text) for text in args.vary]
    store = (args.work_dir / 'features').absolute() if args.share_teacher else None
    metrics = (args.metric,) if args.metric else METRICS
    runs = lay_out(args.configs, args.seeds, variations, args.work_dir, store, metrics)
    if args.time_steps:
        short_runs(runs, args.work_dir)
    return runs


def compare(args: argparse.Namespace, runs: list[Run]) -> str | None:
    """Run what is missing, write tables and plots, print the table; return what failed, if any.

    Raises:
        BlockingIOError: if another comparison runs in the folder.
        NoScore: if a finished run lacks the score that is asked for.
    """
    args.work_dir.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(args.work_dir / '.lock', timeout=0):
            failures = _compare(args, runs)
    except Timeout as error:
        text = f'another comparison runs in {args.work_dir}: wait, or give a --work-dir'
        raise BlockingIOError(text) from error
    text = f'{len(failures)} failed; run the command again to retry:'
    return '\n\n'.join([text, *failures]) if failures else None


def _compare(args: argparse.Namespace, runs: list[Run]) -> list[str]:
    console, root = Console(markup=False, highlight=False, soft_wrap=True), args.work_dir
    finished = [run.finished() for run in runs]
    teacher, failures = None, []
    try:
        teacher = teacher_score(runs, root)
    except RuntimeError as error:
        failures.append(f'the teacher: {error}')
    if teacher is not None:
        console.print(f'teacher: {teacher:.2f}')
    missing = [run for run, result in zip(runs, finished) if result is None]
    results = [result for result in finished if result]
    new, failed = run_all(missing, args.jobs, console, len(results))
    failures += failed
    if not results + new:
        return failures
    frame = pd.DataFrame(results + new)
    metric = frame.metric.iloc[0]

    def publish(step_seconds: dict[str, float]) -> pd.DataFrame:
        table = summarize(frame, teacher, step_seconds)
        write_tables(table, metric, root, teacher)
        plot_curves(frame, table, metric, root / 'curves.png')
        plot_scores(table, metric, root / 'scores.png', teacher)
        plot_final(frame, table, metric, root / 'final.png')
        return table

    given = dict(zip((Path(config).stem for config in args.configs), args.step_seconds))
    configs = dict(zip(frame.name, frame.config))
    table = publish({name: given[config] for name, config in configs.items() if given})
    if args.time_steps:  # the table is safe by now
        try:
            whole = [run for run in runs if run.about['name'] in configs]
            table = publish(time_steps(whole, root, console.print))
        except RuntimeError as error:
            failures.append(f'timing steps: {error}')
    caption, cells = as_text(table, metric, teacher)
    console.print(f'{caption}\n{cells.to_string(index=False)}')
    if frame.shared.any() and not args.step_seconds and not args.time_steps:
        text = 'The runs shared the features of the teacher, so their seconds cannot be compared'
        console.print(f'{text}: run again with --time-steps')
    if number := frame.resumed.sum():
        text = f'{number} of the runs were resumed: their augmentation drew other random numbers'
        console.print(f'{text} than without the interruption')
    written = (file for file in root.iterdir() if file.suffix in ('.csv', '.json', '.md', '.png'))
    console.print(f'Written to {root}: {", ".join(sorted(file.name for file in written))}')
    return failures

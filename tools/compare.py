"""Train several configs over several seeds; print one table, draw one plot."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from ickd_mm.experiments.grid import (
    Cell,
    Results,
    lay_out,
    parse_variation,
    remembered,
    run_missing,
)
from ickd_mm.experiments.pace import check_pace, time_steps
from ickd_mm.experiments.plot import plot_curves, plot_final, plot_scores
from ickd_mm.experiments.report import as_table, final_points, summarize, write, write_runs
from ickd_mm.experiments.run import NoScore
from ickd_mm.experiments.teacher import teacher_score
from ickd_mm.experiments.time_left import TimeLeftColumn


def metric_of(results: Results) -> str:
    """Name of the score that the runs have."""
    return next(iter(next(iter(results.values())).values())).metric


def publish(
    cells: list[Cell],
    results: Results,
    teacher: float | None,
    pace: dict[str, float],
    root: Path,
) -> None:
    """Write the tables and the plots."""
    metric, lines = metric_of(results), summarize(cells, results, teacher, pace)
    write(lines, metric, root, teacher)
    write_runs(root)
    plot_curves(results, metric, root / 'curves.png', pace)
    scores, references = {x.name: x.scores for x in lines}, {x.reference for x in lines}
    reference = references.pop() if len(references) == 1 else None
    reference = reference if reference in scores else None
    plot_scores(scores, metric, root / 'scores.png', reference, teacher)
    points = final_points(cells, results, pace)
    if points:
        plot_final(points, cells[0].choice[0][0], metric, root / 'final.png')


def train(cells: list[Cell], jobs: int, console: Console) -> tuple[Results, list[str]]:
    """Run what is missing; return name -> seed -> result, and what failed."""
    results, failures = remembered(cells), []
    columns = (
        *Progress.get_default_columns()[:2],
        TextColumn('{task.completed}/{task.total} runs'),
        TimeElapsedColumn(),
        TimeLeftColumn(jobs),
    )
    with Progress(*columns, console=console) as bar:
        total, done = sum(len(cell.runs) for cell in cells), sum(map(len, results.values()))
        clocks: list[float] = []
        task = bar.add_task(
            'Training', total=total, completed=done, seconds=clocks, last=bar.get_time()
        )
        for cell, seed, result in run_missing(cells, results, jobs, console.print):
            if isinstance(result, RuntimeError):
                failures.append(f'{cell.name} seed={seed}: {result}')
            else:
                results[cell.name][seed] = result
                clocks.append(result.seconds)
            bar.update(task, advance=1, last=bar.get_time())
    return results, failures


def compare(cells: list[Cell], args: argparse.Namespace) -> list[str]:
    """Run what is missing, report; return what failed."""
    console = Console(markup=False)
    teacher, failures = None, []
    try:
        teacher = teacher_score(cells, args.work_dir)
    except RuntimeError as error:
        failures.append(f'the teacher: {error}')
    if teacher is not None:
        console.print(f'teacher: {teacher:.2f}')
    results, failed = train(cells, args.jobs, console)
    failures += failed
    results = {name: by_seed for name, by_seed in results.items() if by_seed}
    if not results:
        return failures
    steps = dict(zip((Path(config).stem for config in args.configs), args.step_seconds))
    pace = {cell.name: steps[cell.config] for cell in cells if cell.config in steps}
    publish(cells, results, teacher, pace, args.work_dir)
    if args.time_steps:  # the table is safe by now
        whole = [cell for cell in cells if cell.name in results]
        try:
            pace = time_steps(whole, args.work_dir, lambda x, s: console.print(f'{x}: {s:.3f} s'))
            publish(cells, results, teacher, pace, args.work_dir)
        except RuntimeError as error:
            failures.append(f'timing steps: {error}')
    lines = summarize(cells, results, teacher, pace)
    console.print(as_table(lines, metric_of(results), teacher))
    if any(r.shared for runs in results.values() for r in runs.values()) and not pace:
        console.print(
            'The runs shared what the teacher gave, so their seconds do not compare: '
            'run again with --time-steps'
        )
    resumed = sum(r.resumed for runs in results.values() for r in runs.values())
    if resumed:
        console.print(
            f'{resumed} of the runs went on from a checkpoint: augmentation had other random '
            'numbers than without the interruption'
        )
    written = (f.name for f in args.work_dir.iterdir() if f.is_file() and f.name[0] != '.')
    console.print(f'Written to {args.work_dir}: {", ".join(sorted(written))}')
    return failures


def main() -> None:
    """Parse the command line, run what is missing, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('configs', nargs='+', metavar='CONFIG')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument(
        '--vary',
        action='append',
        default=[],
        metavar='KEY=V1,V2',
        help='run every config with each value, e.g. optim_wrapper.optimizer.lr=0.01,0.03; '
        'K1,K2=V1:W1,V2:W2 changes two together',
    )
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time [%(default)s]')
    parser.add_argument(
        '--step-seconds',
        nargs='+',
        type=float,
        default=[],
        help='seconds of a step, one number a config, for the time axis; default: as the runs took',
    )
    parser.add_argument(
        '--time-steps',
        action='store_true',
        help='measure them instead: at the end, three times 60 steps of each line in turn, alone '
        'on the machine',
    )
    parser.add_argument(
        '--share-teacher',
        action='store_true',
        help='keep what the teacher gives in WORK_DIR/features: the methods see the same batches '
        'over one seed, so it runs once for all with the same taps. Scores do not change; needs '
        'iterations x batch of features on the disk for each seed (delete the folder at the end), '
        'and --time-steps or --step-seconds for honest times',
    )
    parser.add_argument(
        '--metric',
        help='the score that counts, as mmengine logs it, the higher the better, e.g. mDice; '
        'default: mIoU or accuracy/top1',
    )
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/compare'))
    args = parser.parse_args()
    if args.jobs < 1:
        parser.error(f'--jobs must be at least 1, got {args.jobs}')
    try:
        variations = [parse_variation(text) for text in args.vary]
        if args.step_seconds and len(args.step_seconds) != len(args.configs):
            raise ValueError('--step-seconds takes one number a config')
        if args.step_seconds and args.time_steps:
            raise ValueError('--step-seconds and --time-steps exclude each other')
        store = (args.work_dir / 'features').absolute() if args.share_teacher else None
        cells = lay_out(args.configs, args.seeds, variations, args.work_dir, store, args.metric)
        for cell in cells:
            next(iter(cell.runs.values())).identity()  # reads what the config names
        if args.time_steps:
            check_pace(cells)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        if not args.vary:
            raise
        parser.error(f'--vary {" ".join(args.vary)}: {type(error).__name__}: {error}')

    args.work_dir.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(args.work_dir / '.lock', timeout=0):
            failures = compare(cells, args)
    except Timeout:
        parser.error(f'another comparison runs in {args.work_dir}: wait, or give a --work-dir')
    except NoScore as error:  # of finished runs
        sys.exit(f'compare.py: error: {error}')
    if failures:
        sys.exit('\n\n'.join([f'{len(failures)} failed, the next call tries again:', *failures]))


if __name__ == '__main__':
    main()

"""Print the tables of docs/comparison.md from the kept runs beside this file.

python docs/comparison/tables.py           # --draw: and its pictures, into docs/images
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pandas as pd

from ickd_mm.commands.compare import plots
from ickd_mm.commands.compare.tables import paired, summarize

HERE = Path(__file__).parent
CENTRED = 'ickd_s center=True'
CROSS = 'ickd_s_cross'


def read(file: str) -> pd.DataFrame:
    """Return every validation in a file: name of the run, seed, at, score."""
    rows = pd.read_csv(HERE / f'{file}.csv', keep_default_na=False)
    rows['name'] = [named(*row) for row in zip(rows.config, rows.varied)]
    return rows


def named(config: str, varied: str) -> str:
    """Name a run by its config and what was changed in it, keys by their ends."""
    keys, _, values = varied.partition('=')
    pairs = zip(keys.split(','), values.split(':')) if varied else ()
    changes = [f'{key.rpartition(".")[2]}={value}' for key, value in pairs]
    return ' '.join([config, *changes])


def runs_of(rows: pd.DataFrame, end: int) -> pd.DataFrame:
    """Return one line per run of ``end`` iterations, as :func:`summarize` and the plots take it."""
    runs = rows.sort_values('at').groupby(['name', 'seed'])[['at', 'score']].agg(list).reset_index()
    runs = runs[runs['at'].str[-1] == end]
    runs['name'] = runs.name.str.replace(' max_iters=1800 lr=0.03', '')  # of all that are as long
    curves = [list(zip(*pair)) for pair in zip(runs['at'], runs.score)]
    known = dict(reference='alone', iterations=end, step_seconds=1.0, seconds=end)
    return runs.assign(curve=curves, score=runs.score.str[-1], **known)


def table(
    file: str, end: int, teacher: float, metric: str, seeds: int = 5, digits: int = 1
) -> pd.DataFrame:
    """Print a table of what has the first ``seeds`` seeds, from 0; return the runs."""
    runs = runs_of(read(file), end)
    runs = runs[runs.seed < seeds]
    runs = runs[runs.groupby('name').seed.transform('nunique') == seeds]
    print(f'\n| run | {metric} | gain (95 %) | of the gap |\n| --- | --: | --: | --: |')
    for row in summarize(runs, teacher).itertuples():
        gain = f'{row.gain:+.{digits}f} ± {row.interval:.{digits}f} | {row.share:.0f} %'
        rest = gain if row.name != 'alone' else ' | '
        print(f'| {row.name} | {row.mean:.{digits}f} ± {row.sd:.{digits}f} | {rest} |')
    return runs


def seconds() -> None:
    """Print how long the runs take whose steps were timed, and what they reach, soonest first."""
    steps = pd.read_csv(HERE / 'segmentation_steps.csv').set_index('name').step_seconds
    long = read('segmentation_long_runs')
    kinds = [runs_of(read('segmentation_runs'), 450), runs_of(long, 1100), runs_of(long, 1800)]
    rows = []
    for (name, length), part in pd.concat(kinds).groupby(['name', 'iterations']).score:
        shown = name.replace(' max_iters=1100', '')
        timed = shown.partition(' lr=')[0]
        if timed in steps.index:
            score = f'{part.mean():.1f} ± {part.std():.1f}'
            cells = f'{shown} | {length:,} | {steps[timed]:.3f}'
            rows.append((steps[timed] * length, cells, score))
    print('\n| run | iterations | s / step | s | mIoU |\n| --- | --: | --: | --: | --: |')
    for total, cells, score in sorted(rows):
        print(f'| {cells} | {total:.0f} | {score} |')
    close = pd.concat(kinds[:2])
    differences(close[close.name.isin([*steps.index, *kinds[1].name])])


def variants(files: tuple[str, ...]) -> None:
    """Print the mean of seeds 10 and 11 of ICKD's variants and of FitNet, the best first."""
    rows = pd.concat([read(file) for file in files])
    runs = runs_of(rows[rows.seed.isin([10, 11])], 450)
    runs = runs[runs.groupby('name').seed.transform('nunique') == 2]
    print('\n| seeds 10 and 11 | mIoU |\n| --- | --: |')
    for name, score in runs.groupby('name').score.mean().sort_values(ascending=False).items():
        if name.startswith(('ickd_s ', 'ickd_s_', 'prototype', 'fitnet')):
            print(f'| {name} | {score:.1f} |')


def few_labels() -> None:
    """Print the mean of the seeds that choose a rate, 10 and 11, and what seeds 0 to 2 have."""
    scores = read('few_labels_runs').sort_values('at').groupby(['seed', 'name']).score.last()
    chosen, counted = scores.unstack().loc[10:], scores.unstack().loc[:2]
    print('\n| few_labels | seeds 10 and 11 | seeds 0 to 2 |\n| --- | --: | --: |')
    for name in chosen:
        last = counted[name].dropna()
        rest = f'{last.mean():.1f} ± {last.std():.1f}' if len(last) else ''
        print(f'| {name.partition(" ")[2]} | {chosen[name].mean():.1f} | {rest} |')
    differences(counted.dropna(axis=1).stack().rename('score').reset_index())


def differences(runs: pd.DataFrame, digits: int = 1) -> None:
    """Print how far each run is ahead of every one behind it, over the seeds of both."""
    scores = runs.pivot(index='seed', columns='name', values='score')
    names = scores.mean().sort_values(ascending=False).index
    for one, other in itertools.combinations(names, 2):
        mean, width, _ = paired(scores[one], scores[other])
        print(f'{one} - {other}: {mean:.{digits}f} ± {width:.{digits}f}')


def main() -> None:
    """Print the tables; with --draw, draw the pictures."""
    short = table('segmentation_runs', 450, 68.96, 'mIoU')
    differences(short)
    variants(('segmentation_sweep', 'prototypes'))
    differences(table('segmentation_long_runs', 1800, 68.96, 'mIoU'))
    seconds()
    differences(table('classification_runs', 900, 91.28, 'top-1'))
    differences(table('fashionmnist_runs', 10, 93.72, 'top-1', seeds=3, digits=2), digits=2)
    few_labels()
    if '--draw' not in sys.argv:
        return
    images = HERE.parent / 'images'
    scores = images / 'comparison_segmentation.png'
    plots.plot_scores(summarize(short, 68.96), 'mIoU', scores, 68.96)
    figure, axis = plots.plt.subplots(figsize=(10, 4), layout='constrained')
    for name in ('fitnet', CROSS, CENTRED, 'ickd_s', 'alone'):
        lines = short[short.name == name].explode('curve').curve.tolist()
        pd.DataFrame(lines).groupby(0)[1].mean().plot(ax=axis, style='-o', label=name)
    axis.set(xlabel='iterations', ylabel='mIoU, mean of seeds 0 to 4')
    axis.grid(alpha=0.3)
    axis.legend(loc='center left', bbox_to_anchor=(1, 0.5))
    figure.savefig(images / 'comparison_segmentation_curves.png', dpi=130)


if __name__ == '__main__':
    main()

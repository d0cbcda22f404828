"""Print the tables of docs/comparison.md from the kept runs beside this file, and draw its pictures.

    python docs/comparison/tables.py
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ickd_mm.commands.compare import plots
from ickd_mm.commands.compare.tables import as_text, summarize

HERE = Path(__file__).parent
IMAGES = HERE.parent / 'images'
TEACHERS = {'mIoU': 68.96, 'top-1': 91.28}


def read(name: str) -> pd.DataFrame:
    """Return every validation in a file: name, seed, at, score."""
    rows = pd.read_csv(HERE / f'{name}_runs.csv', keep_default_na=False)
    rows['name'] = [label(*row) for row in zip(rows.config, rows.varied)]
    return rows


def label(config: str, varied: str) -> str:
    """Name a run by its config and what was changed in it, as compare.py does."""
    keys, _, values = varied.partition('=')
    short = [key.rpartition('.')[2] for key in keys.split(',') if key]
    changes = [f'{key}={value}' for key, value in zip(short, values.split(':'))]
    return ' '.join([config, *changes])


def runs_of(rows: pd.DataFrame, seeds: list[int], end: int) -> pd.DataFrame:
    """Return one line per run that has these seeds and ends there, as summarize wants them."""
    rows = rows[rows.seed.isin(seeds) & (rows['at'] <= end)].sort_values('at')
    runs = rows.groupby(['name', 'seed']).agg(curve=('score', list), at=('at', list))
    runs['score'] = runs.curve.str[-1]
    runs['curve'] = [list(zip(*pair)) for pair in zip(runs['at'], runs.curve)]
    complete = runs[runs['at'].str[-1] == end].reset_index()
    return complete.assign(reference='alone', iterations=end)


def table(name: str, seeds: list[int], end: int, metric: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the runs and their summary."""
    runs = runs_of(read(name), seeds, end)
    steps = pd.read_csv(HERE / 'steps.csv', index_col=['data', 'name']).loc[metric].seconds
    runs['step_seconds'] = runs.name.map(steps)
    runs['seconds'] = runs.step_seconds * end
    return runs, summarize(runs, TEACHERS[metric])


def markdown(summary: pd.DataFrame, metric: str) -> str:
    """Return a table's caption and lines."""
    caption, cells = as_text(summary, metric, TEACHERS[metric])
    rows = [cells.columns, ['---', *['--:'] * (cells.shape[1] - 1)], *cells.to_numpy()]
    return caption + '\n\n' + ''.join(f'| {" | ".join(row)} |\n' for row in rows)

"""Print the tables of docs/comparison.md from the kept runs beside this file; draw its pictures.

python docs/comparison/tables.py
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ickd_mm.commands.compare import tables

HERE = Path(__file__).parent
TEACHER = {'mIoU': 68.96, 'top-1': 91.28}
SHORT = 'ickd_s center=True cross=True loss_weight=10.0'
LONG = ' max_iters=1800 lr=0.03'


def read(file: str) -> pd.DataFrame:
    """Return every validation that a file keeps, with a run's name as compare.py shows it."""
    rows = pd.read_csv(HERE / f'{file}.csv', keep_default_na=False)
    rows['name'] = [name(*row) for row in zip(rows.config, rows.varied)]
    return rows


def name(config: str, varied: str) -> str:
    """Return a run's config and what was changed in it, keys by their ends."""
    keys, _, values = varied.partition('=')
    pairs = zip(keys.split(','), values.split(':')) if varied else ()
    return ' '.join([config, *(f'{key.rpartition(".")[2]}={value}' for key, value in pairs)])


def runs(rows: pd.DataFrame, end: int, reference: str = 'alone') -> pd.DataFrame:
    """Return one line per run of ``end`` iterations, as compare.py's tables and plots take them."""
    rows = rows.sort_values('at').groupby(['name', 'seed'])[['at', 'score']].agg(list).reset_index()
    rows = rows[rows['at'].str[-1] == end]
    curves = [list(zip(*pair)) for pair in zip(rows['at'], rows.score)]
    steps = pd.read_csv(HERE / 'steps.csv', index_col='name').seconds
    found = rows.assign(curve=curves, score=rows.score.str[-1], reference=reference, iterations=end)
    found['step_seconds'] = found.name.str.replace(LONG, '').map(steps)
    return found.assign(seconds=found.step_seconds * end)


def show(title: str, found: pd.DataFrame, metric: str = 'mIoU') -> pd.DataFrame:
    """Print a table; return it."""
    table = tables.summarize(found, TEACHER[metric])
    caption, cells = tables.as_text(table, metric, TEACHER[metric])
    lines = [cells.columns, ['---', *['--:'] * (cells.shape[1] - 1)], *cells.to_numpy()]
    print(title, caption, '', *(f'| {" | ".join(line)} |' for line in lines), '', sep='\n')
    return table

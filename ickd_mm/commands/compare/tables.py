"""Tables of a comparison: one line per method, paired over seeds."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pandas as pd
from scipy.stats import t as student_t

from .run import RESULT

NAN = float('nan')


def paired(one: pd.Series, other: pd.Series) -> tuple[float, float, int]:
    """Return mean, half width of the 95 % t-interval, and number of one - other over common seeds.

    Without a common seed the mean is NaN, with fewer than two the width.
    """
    difference = (one - other).dropna()
    n = len(difference)
    width = student_t.ppf(0.975, n - 1) * difference.sem() if n > 1 else NAN
    return float(difference.mean()), float(width), n


def summarize(
    runs: pd.DataFrame, teacher: float | None = None, step_seconds: dict[str, float] | None = None
) -> pd.DataFrame:
    """One row per name among the runs, the best first; what is not known is NaN.

    Args:
        runs: one row per run: what it is ``about``, and its result.
        teacher: the teacher's score, 0-100, where there is one.
        step_seconds: name -> seconds per step, where the runs' own clocks do not count.

    Returns:
        ``name``; ``seeds`` and their ``scores``, 0-100, with ``mean`` and ``sd`` (n - 1); ``gain``
        over the line ``reference`` and its ``interval``, from :func:`paired`; ``step_seconds`` and
        ``seconds`` of a run, the runs' own median and mean unless given; ``share``, percent of the
        distance from the reference's mean to a better teacher's score that the gain covers.
    """
    scores = runs.pivot(index='seed', columns='name', values='score')
    rows = []
    for name, mine in runs.sort_values('seed').groupby('name', sort=False):
        reference, timed = mine.reference.iloc[0], (step_seconds or {}).get(str(name))
        base = scores.get(reference, pd.Series(dtype=float))[scores[name].notna()]
        gain, interval, _ = paired(scores[name], base)
        gap = NAN if teacher is None or name == reference else teacher - base.mean()
        row = {'name': name, 'seeds': mine.seed.tolist(), 'scores': mine.score.tolist()}
        row |= {'mean': mine.score.mean(), 'sd': mine.score.std(), 'gain': gain}
        row |= {'reference': reference, 'interval': interval}
        row['step_seconds'] = timed or mine.step_seconds.median()
        row['seconds'] = timed * mine.iterations.iloc[0] if timed else mine.seconds.mean()
        rows.append({**row, 'share': 100 * gain / gap if gap > 0 else NAN})
    return pd.DataFrame(rows).sort_values('mean', ascending=False, kind='stable')


def as_text(
    table: pd.DataFrame, metric: str, teacher: float | None = None
) -> tuple[str, pd.DataFrame]:
    """Return the caption and the cells of the printed table, empty where not known.

    A line that lacks seeds which others have says how many it has.
    """
    seeds = sorted(set(itertools.chain(*table.seeds)))
    few = [f' ({len(s)} of {len(seeds)} seeds)' if len(s) < len(seeds) else '' for s in table.seeds]

    def text(column: str, form: str) -> pd.Series:
        return table[column].map(form.format).mask(table[column].isna(), '')

    gain = text('gain', '{:+.1f}') + text('interval', ' ± {:.1f}')
    cells = {'run': table.name + few, metric: text('mean', '{:.1f}') + text('sd', ' ± {:.1f}')}
    cells |= {'gain (95 %)': gain.mask(table.name == table.reference, '')}
    cells |= {} if teacher is None else {'of the gap': text('share', '{:.0f} %')}
    cells |= {'s / step': text('step_seconds', '{:.3f}'), 's / run': text('seconds', '{:.0f}')}
    facts = [f'{metric}, mean ± sd', f'seeds {", ".join(map(str, seeds))}']
    facts += [f'gain over {name}' for name in sorted(set(table.reference))]
    facts += [] if teacher is None else [f'teacher {teacher:.1f}']
    return '; '.join(facts), pd.DataFrame(cells)


def _markdown(cells: pd.DataFrame) -> str:
    cells.iloc[0, 1] = f'**{cells.iloc[0, 1]}**'
    rows = [cells.columns, ['---', *['--:'] * (cells.shape[1] - 1)], *cells.to_numpy()]
    return ''.join(f'| {" | ".join(row)} |\n' for row in rows)


def _differences(table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    scores = {line.name: pd.Series(line.scores, line.seeds) for line in table.itertuples(False)}
    for one, other in itertools.combinations(scores, 2):
        mean, width, number = paired(scores[one], scores[other])
        names = (one, other) if mean >= 0 else (other, one)
        rows += [(*names, abs(mean), width, number)] if number else []
    return pd.DataFrame(rows, columns=['run', 'better than', 'by', 'interval', 'seeds'])


def _all_runs(root: Path, metric: str) -> pd.DataFrame:
    rows = []
    for run in (json.loads(file.read_text()) for file in sorted(root.glob(f'*/{RESULT}'))):
        for at, score in run.get('curves', {}).get(metric, ()):
            start, state = [run[key] for key in ('config', 'varied', 'seed')], run['state']
            rows.append([*start, at, score, state])
    return pd.DataFrame(rows, columns=['config', 'varied', 'seed', 'at', 'score', 'state'])


def write_tables(
    table: pd.DataFrame, metric: str, root: Path, teacher: float | None = None
) -> None:
    """Write ``table.json``, ``table.csv``, ``table.md``, ``differences.csv`` and ``runs.csv``.

    ``differences.csv`` has every two lines, the better first, over the seeds that both have.
    ``runs.csv`` has the scores over the training of every finished run in the folder, also of
    earlier comparisons; its ``state`` is the digest of the config and its teacher.
    """
    lines = json.loads(table.to_json(orient='records', double_precision=15))  # NaN becomes null
    summary = {'metric': metric, 'teacher': teacher, 'lines': lines}
    (root / 'table.json').write_text(json.dumps(summary, indent=1))
    caption, cells = as_text(table, metric, teacher)
    (root / 'table.md').write_text(f'{caption}\n\n{_markdown(cells)}', encoding='utf-8')
    table.to_csv(root / 'table.csv', index=False, lineterminator='\n')
    for name, frame in (('differences', _differences(table)), ('runs', _all_runs(root, metric))):
        frame.to_csv(root / f'{name}.csv', index=False, float_format='%.2f', lineterminator='\n')

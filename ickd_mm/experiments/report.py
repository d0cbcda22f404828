"""Statistics of a comparison: one line a method, paired over seeds."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import math
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table
from scipy.stats import t as student_t

from .grid import Cell
from .run import RESULT, Result


@dataclass(frozen=True)
class Line:
    """One method's figures over the seeds.

    Attributes:
        name: what was run.
        seeds: the seeds, in order.
        scores: score of each seed, 0-100.
        mean: their mean.
        sd: their standard deviation (n - 1), 0 for one seed.
        gain: mean difference, seed by seed, to the first config with the same values varied;
            with one config, to its first line.
        reference: name of that line.
        interval: half width of its 95 % t-interval over seeds; 0 for one seed.
        step_seconds: seconds of an iteration, as timed apart, or the median of the runs' own.
        seconds: of a run: iterations times the former, or the mean of the runs' own wall clock
            (of one that was interrupted: since it was started again).
        share: percent of the way from the reference's mean to the teacher's score that the gain
            covers; None for the reference itself, or where no teacher is better than it.
    """

    name: str
    seeds: list[int]
    scores: list[float]
    mean: float
    sd: float
    gain: float
    reference: str
    interval: float
    step_seconds: float
    seconds: float
    share: float | None = None


def _spread(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def paired(differences: list[float]) -> tuple[float, float]:
    """Mean of differences, seed by seed, and the half width of its 95 % t-interval.

    Without one the mean is not a number; with one the width is 0.
    """
    n = len(differences)
    if n == 0:
        return float('nan'), 0.0
    width = student_t.ppf(0.975, n - 1) * _spread(differences) / n**0.5 if n > 1 else 0.0
    return statistics.mean(differences), float(width)


def _reference(cell: Cell, cells: list[Cell]) -> str:
    """Name of the line that a line's gain is measured against."""
    if all(other.config == cells[0].config for other in cells):
        return cells[0].name
    return Cell(cells[0].config, cell.choice, {}).name


def _share(gain: float, reference: list[float], teacher: float | None) -> float | None:
    gap = 0.0 if teacher is None else teacher - statistics.mean(reference)
    return 100 * gain / gap if gap > 0 else None


def summarize(
    cells: list[Cell],
    results: dict[str, dict[int, Result]],
    teacher: float | None = None,
    pace: dict[str, float] | None = None,
) -> list[Line]:
    """Turn the results (name -> seed -> result) of ``cells`` into lines.

    Args:
        cells: what was run; those without a result are left out, and the gain over one too.
        results: name -> seed -> result.
        teacher: the teacher's score, 0-100, where there is one.
        pace: name -> seconds of a step, where the runs' own clocks do not count.
    """
    lines = []
    for cell in cells:
        if not results.get(cell.name):
            continue
        name, by_seed = cell.name, results[cell.name]
        reference = results.get(_reference(cell, cells), {})
        scores = [by_seed[seed].score for seed in sorted(by_seed)]
        paired_seeds = [seed for seed in sorted(by_seed) if seed in reference]
        gains = [by_seed[seed].score - reference[seed].score for seed in paired_seeds]
        gain, width = paired(gains)
        timed, first = (pace or {}).get(name), next(iter(by_seed.values()))
        known = gains and reference is not by_seed
        bases = [reference[seed].score for seed in paired_seeds]
        lines.append(
            Line(
                name,
                sorted(by_seed),
                scores,
                statistics.mean(scores),
                _spread(scores),
                gain,
                _reference(cell, cells),
                width,
                timed or statistics.median(r.step_seconds for r in by_seed.values()),
                timed * first.length
                if timed
                else statistics.mean(r.seconds for r in by_seed.values()),
                _share(gain, bases, teacher) if known else None,
            )
        )
    return lines


def _seeds(lines: list[Line]) -> list[int]:
    return sorted({seed for line in lines for seed in line.seeds})


def _rows(lines: list[Line], metric: str, teacher: float | None) -> list[list[str]]:
    """Headings and one row a line; with a teacher's score, its share is a column.

    One seed has no spread. A line that lacks seeds which others have says how many it has.
    """
    seeds = _seeds(lines)
    rows = [['run', metric, 'gain (95 %)', 's / step', 's / run']]
    for line in lines:
        no_gain = math.isnan(line.gain) or line.gain == line.interval == 0
        gain = f'{line.gain:+.1f}' + f' ± {line.interval:.1f}' * (line.interval > 0)
        few = f' ({len(line.seeds)} of {len(seeds)} seeds)' * (line.seeds != seeds)
        rows.append(
            [
                line.name + few,
                f'{line.mean:.1f}' + f' ± {line.sd:.1f}' * (len(line.seeds) > 1),
                '' if no_gain else gain,
                f'{line.step_seconds:.3f}',
                f'{line.seconds:.0f}',
            ]
        )
    if teacher is not None:
        shares = ['' if line.share is None else f'{line.share:.0f} %' for line in lines]
        for row, share in zip(rows, ['of the gap', *shares]):
            row.insert(3, share)
    return rows


def as_table(lines: list[Line], metric: str, teacher: float | None = None) -> Table:
    """Lay the lines out for the terminal; with a teacher's score, its share is a column."""
    over = ', '.join(sorted({line.reference for line in lines}))
    title = f'{metric}, mean ± sd over {len(_seeds(lines))} seeds; gain over {over}'
    title = title if teacher is None else f'{title}; teacher {teacher:.1f}'
    table = Table(title=escape(title))
    headings, *rows = _rows(lines, metric, teacher)
    for heading in headings:
        table.add_column(heading, justify='left' if heading == 'run' else 'right', overflow='fold')
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def as_markdown(lines: list[Line], metric: str, teacher: float | None = None) -> str:
    """The same table for a document, the best line first and its mean in bold type."""
    ranked = sorted(lines, key=lambda line: line.mean, reverse=True)
    headings, best, *rest = _rows(ranked, metric, teacher)
    best[1] = f'**{best[1]}**'
    rule = ['---', *['--:'] * (len(headings) - 1)]
    facts = [f'seeds {", ".join(map(str, _seeds(lines)))}']
    facts += [f'gain over {name}' for name in sorted({line.reference for line in lines})]
    if teacher is not None:
        facts.append(f'teacher {teacher:.1f}')
    table = [f'| {" | ".join(row)} |\n' for row in (headings, rule, best, *rest)]
    return f'{metric}, mean ± sd; {"; ".join(facts)}\n\n{"".join(table)}'


def write(lines: list[Line], metric: str, root: Path, teacher: float | None = None) -> None:
    """Write ``table.json``, ``table.csv``, ``table.md`` and ``differences.csv``.

    The last has every two lines, the better first: mean difference over the seeds that both
    have, seed by seed, and half the width of its 95 % t-interval; nothing for that of one seed.
    """
    # JSON knows no NaN: what is not known is null.
    rows = [{k: None if v != v else v for k, v in asdict(line).items()} for line in lines]
    table = {'metric': metric, 'teacher': teacher, 'lines': rows}
    (root / 'table.json').write_text(json.dumps(table, indent=1))
    (root / 'table.md').write_text(as_markdown(lines, metric, teacher), encoding='utf-8')
    with open(root / 'table.csv', 'w', newline='') as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    with open(root / 'differences.csv', 'w', newline='') as file:
        plain = csv.writer(file, lineterminator='\n')
        plain.writerow(['run', 'better than', 'by', 'interval', 'seeds'])
        ranked = sorted(lines, key=lambda line: line.mean, reverse=True)
        for one, other in itertools.combinations(ranked, 2):
            theirs = dict(zip(other.seeds, other.scores))
            both = [(x, theirs[s]) for s, x in zip(one.seeds, one.scores) if s in theirs]
            mean, width = paired([x - y for x, y in both])
            names = (one.name, other.name) if mean >= 0 else (other.name, one.name)
            interval = f'{width:.2f}' if len(both) > 1 else ''
            if both:
                plain.writerow([*names, f'{abs(mean):.2f}', interval, len(both)])


def _config_of(folder: str, keys: list[str]) -> str:
    """Name of the config in the name of a run's folder: what stands before the first key."""
    ends = [end for key in keys for end in (key, key.rsplit('.', 1)[-1])]
    for sign in (*(f'__{end}=' for end in ends), '__'):
        if sign in folder:
            return folder.split(sign)[0]
    return folder


def write_runs(root: Path) -> None:
    """Write ``runs.csv``: the scores over the training of every finished run in a folder.

    Its columns are the config, what was varied (as ``--vary`` takes it), the seed, the score at
    each (epoch or iteration) of a validation, and a digest that tells two states of one config,
    or of its teacher, apart. Not only the last comparison's runs: a sweep of many calls is one
    file.
    """
    with open(root / 'runs.csv', 'w', newline='') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(['config', 'varied', 'seed', 'at', 'score', 'state'])
        for result in sorted(root.glob('*/' + RESULT)):
            if result.parent.name.endswith('.before'):
                continue
            run = json.loads(result.read_text())
            options = dict(run['run'].pop('options'))
            config = _config_of(result.parent.name, list(options))
            state = hashlib.sha256(json.dumps(run['run'], sort_keys=True).encode()).hexdigest()[:8]
            seed = options.pop('randomness.seed', '')
            varied = f'{",".join(options)}={":".join(options.values())}' if options else ''
            for at, score in run['curve']:
                writer.writerow([config, varied, seed, at, f'{score:.2f}', state])


def final_points(
    cells: list[Cell], results: dict[str, dict[int, Result]], step_seconds: dict[str, float]
) -> dict[str, list[tuple[float, float, list[float]]]]:
    """Collect line -> (first varied value, seconds, scores) where that value is a number.

    A line is a config and what was varied beside that value on its own; along it values rise.
    Seconds are the last iteration times the step: ``step_seconds`` by name, else the runs' own.
    Empty where nothing, or no number, was varied.
    """
    points: dict[str, list[tuple[float, float, list[float]]]] = {}
    try:
        for cell in cells:
            runs = list(results.get(cell.name, {}).values())
            if not runs:
                continue
            own = statistics.median(run.step_seconds for run in runs)
            seconds = runs[0].length * step_seconds.get(cell.name, own)
            value = float(cell.choice[0][1])
            line = Cell(cell.config, cell.choice[cell.together :], {}).name
            points.setdefault(line, []).append((value, seconds, [r.score for r in runs]))
    except (IndexError, ValueError):
        return {}
    return {line: sorted(series) for line, series in points.items()}

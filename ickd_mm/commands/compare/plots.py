"""Plots of a comparison; ``runs`` and ``table`` are those of :func:`~.tables.summarize`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.ticker import NullFormatter, ScalarFormatter

SECONDS = 'training seconds (iterations × step)'
STYLES = ('-o', '--s', ':^', '-.v')
TWO_AXES: Any = dict(figsize=(11, 4), sharey=True, layout='constrained')
plt.switch_backend('Agg')  # no display is needed


def _save(figure: Any, file: Path) -> None:
    for axis in figure.axes:
        axis.grid(alpha=0.3)
    figure.savefig(file, dpi=130)
    plt.close(figure)


def _draw(axis: Any, x: Any, scores: pd.DataFrame, style: str, band: bool, **kwargs: Any) -> None:
    (line,) = axis.plot(x, scores['mean'], style, **kwargs)
    if band:
        axis.fill_between(x, scores['min'], scores['max'], color=line.get_color(), alpha=0.2, lw=0)


def plot_curves(runs: pd.DataFrame, table: pd.DataFrame, metric: str, file: Path) -> None:
    """Draw score against iterations and against training seconds, the best first in the legend.

    A line is the mean over seeds; up to four lines have their range over seeds around them.
    """
    figure, axes = plt.subplots(1, 2, **TWO_AXES)
    colors = plt.get_cmap('tab20' if len(table) > 10 else 'tab10')
    points = runs.explode('curve', ignore_index=True)
    points[['at', 'value']] = points.curve.tolist()
    for number, line in enumerate(table.itertuples(index=False)):
        mine = points[points.name == line.name]
        scores = mine.groupby('at').value.agg(['mean', 'min', 'max'])
        pace = line.step_seconds * mine.iterations.iloc[0] / max(1, mine['at'].max())
        style, color = STYLES[number // colors.N % 4], colors(number % colors.N)
        for axis, unit in zip(axes, (1.0, pace)):
            x, band = scores.index * unit, len(table) <= 4  # more bands would hide each other
            _draw(axis, x, scores, style, band, color=color, ms=3, label=line.name)
    epochs = (runs.iterations > runs.curve.str[-1].str[0]).any()
    axes[0].set(xlabel='epochs' if epochs else 'iterations', ylabel=f'{metric}, mean over seeds')
    axes[1].set(xlabel=SECONDS)
    figure.legend(*axes[0].get_legend_handles_labels(), fontsize='small', loc='outside right upper')
    _save(figure, file)


def plot_scores(table: pd.DataFrame, metric: str, file: Path, teacher: float | None = None) -> None:
    """Draw every method's seeds and mean on one line each, the best on top.

    A reference that all lines share is drawn through, and so is the teacher.
    """
    figure, axis = plt.subplots(figsize=(8, 0.8 + 0.34 * len(table)), layout='constrained')
    marks = {} if teacher is None else {f'teacher, {teacher:.1f}': (teacher, 'tab:green')}
    for row, (_, line) in enumerate(table[::-1].iterrows()):
        shared = table.reference.nunique() == 1 and line['name'] == line.reference
        color = 'tab:gray' if shared else 'tab:blue'
        if shared:
            marks[f'{line["name"]}, {line["mean"]:.1f}'] = line['mean'], color
        axis.plot(line.scores, [row] * len(line.scores), 'o', color=color, alpha=0.4, ms=5, mew=0)
        axis.plot(line['mean'], row, 'D', color=color, ms=7)
    for label, (value, color) in marks.items():
        axis.axvline(value, color=color, ls='--', lw=1, label=label)
    axis.set(xlabel=f'{metric}: every seed, and the mean')
    axis.set_yticks(range(len(table)), table.name[::-1])
    if marks:
        axis.legend(fontsize='small', loc='lower right')
    _save(figure, file)


def plot_final(runs: pd.DataFrame, table: pd.DataFrame, metric: str, file: Path) -> None:
    """Draw final scores against the first varied value and against training seconds.

    Nothing is drawn unless that value is a number everywhere. An axis is logarithmic where all
    its values are positive.
    """
    points = runs.assign(value=pd.to_numeric(runs.value, errors='coerce'))
    if points.value.isna().any():
        return
    points['seconds'] = points.iterations * points.name.map(table.set_index('name').step_seconds)
    names = ['line', 'value', 'name', 'seconds']
    points = points.groupby(names, dropna=False).score.agg(['mean', 'min', 'max']).reset_index()
    figure, axes = plt.subplots(1, 2, **TWO_AXES)
    key = runs.varied.iloc[0].partition('=')[0].partition(',')[0]
    for axis, column, label in zip(axes, ('value', 'seconds'), (key, SECONDS)):
        for name, line in points.groupby('line'):
            _draw(axis, line[column], line, '-o', True, label=name)
        axis.set(xscale='log' if (points[column] > 0).all() else 'linear', xlabel=label)
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_formatter(NullFormatter())
    values = sorted(set(points.value))
    axes[0].set_xticks(values, [f'{value:g}' for value in values])
    axes[0].set(ylabel=f'final {metric}: mean and range over seeds')
    axes[0].legend(fontsize='small')
    _save(figure, file)

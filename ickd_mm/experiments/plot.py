"""Plots of a comparison."""

from __future__ import annotations

import statistics
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter  # noqa: E402

from .run import Result  # noqa: E402


def plot_curves(
    results: dict[str, dict[int, Result]],
    metric: str,
    file: Path,
    step_seconds: dict[str, float] | None = None,
) -> None:
    """Draw score against iterations and against training seconds, the best first in the legend.

    A line is the mean over seeds; up to four lines have their range over seeds around them.

    Args:
        results: name -> seed -> result.
        metric: label of the scores.
        file: picture to write.
        step_seconds: name -> seconds of a step, where the runs' own clocks do not count
            (they shared the machine); otherwise the median of the runs'.
    """
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout='constrained')
    last = {name: statistics.mean(r.score for r in runs.values()) for name, runs in results.items()}
    colors = plt.get_cmap('tab20' if len(results) > 10 else 'tab10')
    for number, name in enumerate(sorted(results, key=last.__getitem__, reverse=True)):
        by_seed = results[name]
        runs = list(by_seed.values())
        steps = [step for step, _ in runs[0].curve]
        scores = [[dict(run.curve).get(step) for run in runs] for step in steps]
        kept = [(s, [v for v in values if v is not None]) for s, values in zip(steps, scores)]
        pace = (step_seconds or {}).get(name) or statistics.median(r.step_seconds for r in runs)
        pace *= runs[0].length / max(1, steps[-1])  # an epoch has many
        for axis, unit in zip(axes, (1.0, pace)):
            x = [step * unit for step, _ in kept]
            color = colors(number % colors.N)
            style = ('o-', 's--', '^:', 'v-.')[number // colors.N % 4]
            y = [statistics.mean(v) for _, v in kept]
            axis.plot(x, y, style, ms=3, label=name, color=color)
            if len(results) <= 4:  # more bands would hide each other
                low, high = [min(v) for _, v in kept], [max(v) for _, v in kept]
                axis.fill_between(x, low, high, color=color, alpha=0.2, lw=0)
    epochs = any(r.length > r.curve[-1][0] for runs in results.values() for r in runs.values())
    axes[0].set(xlabel='epochs' if epochs else 'iterations', ylabel=f'{metric}, mean over seeds')
    axes[1].set(xlabel='training seconds (iterations × step)')
    figure.legend(*axes[0].get_legend_handles_labels(), fontsize='small', loc='outside right upper')
    for axis in axes:
        axis.grid(alpha=0.3)
    figure.savefig(file, dpi=130)
    plt.close(figure)


def plot_scores(
    scores: dict[str, list[float]],
    metric: str,
    file: Path,
    reference: str | None = None,
    teacher: float | None = None,
) -> None:
    """Draw every method's seeds and mean on one line each, the best on top.

    Args:
        scores: name -> scores of the seeds.
        metric: label of the scores.
        file: picture to write.
        reference: the line that all gains are measured against, drawn through, if it is one.
        teacher: its score, where there is one.
    """
    ranked = sorted(scores, key=lambda name: statistics.mean(scores[name]))
    figure, axis = plt.subplots(figsize=(8, 0.8 + 0.34 * len(ranked)), layout='constrained')
    marks = []
    if reference is not None:
        marks.append((reference, statistics.mean(scores[reference]), 'tab:gray'))
    if teacher is not None:
        marks.append(('teacher', teacher, 'tab:green'))
    for label, value, color in marks:
        axis.axvline(value, color=color, ls='--', lw=1, label=f'{label}, {value:.1f}')
    for row, name in enumerate(ranked):
        color = 'tab:gray' if name == reference else 'tab:blue'
        axis.plot(scores[name], [row] * len(scores[name]), 'o', color=color, alpha=0.4, ms=5, mew=0)
        axis.plot(statistics.mean(scores[name]), row, 'D', color=color, ms=7)
    axis.set(xlabel=f'{metric}: every seed, and the mean', yticks=range(len(ranked)))
    axis.set_yticklabels(ranked)
    axis.grid(alpha=0.3, axis='x')
    if marks:
        axis.legend(fontsize='small', loc='lower right')
    figure.savefig(file, dpi=130)
    plt.close(figure)


def plot_final(
    points: dict[str, list[tuple[float, float, list[float]]]], key: str, metric: str, file: Path
) -> None:
    """Draw final scores against a varied value and against training seconds.

    Args:
        points: line -> (value, seconds of a run, scores of the seeds), in order; the values have
            a logarithmic axis where all are positive.
        key: what was varied.
        metric: label of the scores.
        file: picture to write.
    """
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout='constrained')
    for name, series in points.items():
        means = [statistics.mean(scores) for *_, scores in series]
        low, high = [min(s) for *_, s in series], [max(s) for *_, s in series]
        for axis, column in zip(axes, (0, 1)):
            x = [point[column] for point in series]
            line = axis.plot(x, means, 'o-', label=name)
            axis.fill_between(x, low, high, color=line[0].get_color(), alpha=0.2, lw=0)
    positive = all(value > 0 for series in points.values() for value, *_ in series)
    timed = any(seconds > 0 for series in points.values() for _, seconds, _ in series)  # or NaN
    scales = ('log' if positive else 'linear', 'log' if timed else 'linear')
    for axis, label, scale in zip(axes, (key, 'training seconds (iterations × step)'), scales):
        axis.set(xscale=scale, xlabel=label)
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.grid(alpha=0.3, which='both')
    values = sorted({value for series in points.values() for value, *_ in series})
    axes[0].set_xticks(values, [f'{value:g}' for value in values])
    if timed:
        axes[1].xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes[1].xaxis.set_major_formatter(ScalarFormatter())
    axes[0].set(ylabel=f'final {metric}: mean and range over seeds')
    axes[0].legend(fontsize='small')
    figure.savefig(file, dpi=130)
    plt.close(figure)

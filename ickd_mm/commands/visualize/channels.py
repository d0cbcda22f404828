"""The paper's first figure: channels of one image that agree, and some that do not."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ...visualization.cosines import channel_cosines
from ...visualization.panels import PairView

COUNT = 4


def choose(cosines: np.ndarray, count: int = COUNT) -> tuple[list[int], list[int]]:
    """Choose channels that agree, and channels of which no two do.

    Args:
        cosines: (C, C), all zero for a dead channel.
        count: how many of each; fewer where there are not as many channels.

    Returns:
        The channel whose ``count - 1`` nearest are nearest, and these; then the same channel and,
        one by one, that whose largest absolute cosine to those chosen is smallest.
    """
    alive = np.flatnonzero(cosines.any(1))
    among = cosines[np.ix_(alive, alive)]
    np.fill_diagonal(among, -np.inf)
    nearest = np.sort(among, 1)[:, ::-1][:, : count - 1]
    first = int(nearest.mean(1).argmax()) if len(alive) > 1 else 0
    alike = [first, *np.argsort(-among[first])[: min(count, len(alive)) - 1]]
    different = [first]
    while len(different) < min(count, len(alive)):
        worst = np.abs(among[:, different]).max(1)
        worst[different] = np.inf
        different.append(int(worst.argmin()))
    return [int(alive[i]) for i in alike], [int(alive[i]) for i in different]


def draw_channels(view: PairView, image: np.ndarray, heading: str) -> Figure:
    """Draw the teacher's channels of the first image, and how much each two agree."""
    x = view.teacher_maps[0]
    cosines = channel_cosines(x, view.center)[0]
    alike, different = choose(cosines.copy())
    figure = Figure(figsize=(14, 5.6), layout='constrained')
    FigureCanvasAgg(figure)
    left, right = figure.subfigures(1, 2, width_ratios=(9, 5))
    axes = left.subplots(2, COUNT + 1)
    for row, chosen, color, what in (
        (axes[0], alike, 'tab:red', 'homologous: strong at the same places'),
        (axes[1], different, 'tab:orange', 'diverse: strong at unrelated places'),
    ):
        row[0].imshow(image)
        row[0].set_title('the image', fontsize=9)
        row[0].set_xlabel(f'{what} (yellow)', color=color, fontsize=9, loc='left')
        for axis, channel in zip(row[1:], chosen):
            axis.imshow(x[0, channel].cpu(), cmap='viridis')
            axis.set_title(f'channel {channel}', fontsize=9)
            for spine in axis.spines.values():
                spine.set(color=color, linewidth=3)
        for axis in row:
            axis.set(xticks=[], yticks=[])
        for axis in row[len(chosen) + 1 :]:
            axis.set_axis_off()
    axis, channels = right.subplots(), [*alike, *different[1:]]
    part = cosines[np.ix_(channels, channels)]
    drawn = axis.imshow(part, cmap=colormaps['RdBu_r'], vmin=-1, vmax=1)
    for (i, j), value in np.ndenumerate(part):
        color = 'white' if abs(value) > 0.6 else 'black'
        axis.text(j, i, f'{value:.2f}', ha='center', va='center', color=color, fontsize=8)
    axis.set_xticks(range(len(channels)), channels)
    axis.set_yticks(range(len(channels)), channels)
    axis.set(xlabel='channel', ylabel='channel')
    for labels in (axis.get_xticklabels(), axis.get_yticklabels()):
        for label, number in zip(labels, range(len(channels))):
            label.set_color('tab:red' if number < len(alike) else 'tab:orange')
    what = 'correlation (means taken away)' if view.center else 'cosine'
    right.colorbar(drawn, ax=axis, shrink=0.8, label=f'{what} between two channels')
    figure.suptitle(f'Channels that agree, and channels that do not. {heading}', fontsize=12)
    return figure

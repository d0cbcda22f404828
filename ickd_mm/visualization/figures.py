"""Draw matrices of correlations side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from .panels import PairView, Panel

COSINE = 'cosine between two channels'
CORRELATION = 'correlation between two channels, their means taken away'
SCALE = {-1: '−1 opposite', -0.5: '−0.5', 0: '0 unrelated', 0.5: '0.5', 1: '1 same places'}
ORDER = 'channels, those that agree in the teacher side by side'
OWN_ORDER = 'channels, those that agree in this student side by side'
DISTANCE = (
    'Distance: 0 if all correlations are the teacher’s, 1 if unrelated, 2 if opposite: '
    '1 − mean cosine between the rows of both matrices F Fᵀ (half of the loss at weight 1).'
)


def draw(
    view: PairView,
    panels: list[Panel],
    images: list[np.ndarray],
    heading: str,
    only: int | None = None,
) -> Figure:
    """Draw the matrices of one image, or their mean over all.

    Args:
        view: the pair.
        panels: teacher and students.
        images: (H, W, 3) from 0 to 1, for each image of the panels.
        heading: what is drawn.
        only: number of the image; None for the mean.
    """
    shown = images if only is None else [images[only]]
    size = (2.0 + 4.1 * len(panels) + 1.0, 6.1)
    figure = Figure(figsize=size, layout='constrained')
    FigureCanvasAgg(figure)
    left, right = figure.subfigures(1, 2, width_ratios=(1.9, size[0] - 1.9))
    _draw_images(left, view, shown[:4], len(shown))
    axes = right.subplots(1, len(panels), squeeze=False)[0]
    for axis, panel in zip(axes, panels):
        matrix = panel.mosaics.mean(0) if only is None else panel.mosaics[only]
        found = panel.distances if only is None else panel.distances[only : only + 1]
        drawn = _draw_panel(axis, view, panel, matrix, float(np.mean(found)) if found else None)
    bar = right.colorbar(drawn, ax=list(axes), shrink=0.72, pad=0.01)
    bar.set_ticks(list(SCALE), labels=list(SCALE.values()), fontsize=9)
    bar.set_label(CORRELATION if view.center else COSINE, fontsize=9)
    figure.suptitle(heading, fontsize=13)
    figure.supxlabel(f'{_how(view)}\n{DISTANCE}', fontsize=8.5)
    return figure


def _how(view: PairView) -> str:
    down, across = view.grid
    if view.grid == (1, 1):
        return 'Each point compares two channels of the feature map.'
    if view.drawn_grid == view.grid:
        return (
            f'Each square is one of the {down}×{across} cells of the image, where it lies; each '
            'point compares two channels in that cell.'
        )
    return f'Each point compares two channels; mean over the {down}×{across} cells of the image.'


def _draw_images(part: Any, view: PairView, images: list[np.ndarray], count: int) -> None:
    axes = part.subplots(len(images), 1, squeeze=False)[:, 0]
    what = 'the image' if count == 1 else f'{count} images'
    axes[0].set_title(what if count == len(images) else f'{len(images)} of {what}', fontsize=10)
    for axis, image in zip(axes, images):
        axis.imshow(image)
        axis.set(xticks=[], yticks=[])
        height, width = image.shape[:2]
        lines = dict(color='white', lw=1.2, ls='--')
        for edge in np.arange(1, view.drawn_grid[0]) * height / view.drawn_grid[0]:
            axis.axhline(edge - 0.5, **lines)
        for edge in np.arange(1, view.drawn_grid[1]) * width / view.drawn_grid[1]:
            axis.axvline(edge - 0.5, **lines)


def _draw_panel(
    axis: Any, view: PairView, panel: Panel, matrix: np.ndarray, distance: float | None
) -> Any:
    colors = colormaps['RdBu_r'].with_extremes(bad='0.55')
    drawn = axis.imshow(matrix, cmap=colors, vmin=-1, vmax=1, interpolation='nearest')
    axis.set(xticks=[], yticks=[])
    own = not panel.distances and panel is not view.teacher
    axis.set_xlabel(OWN_ORDER if own else ORDER, fontsize=8)
    axis.set_ylabel(f'{panel.channels} channels', fontsize=8)
    told = '' if distance is None else f'distance to the teacher {distance:.2f}'
    told = f'its own {panel.channels} channels: no distance' if own else told
    axis.set_title(f'{panel.name}\n{told}', fontsize=11, fontweight='bold')
    axis.text(0.5, -0.09, panel.about, fontsize=8, ha='center', va='top', transform=axis.transAxes)
    return drawn


def write_png(figure: Figure, file: Path) -> None:
    """Write a figure with 256 colours: matrices of noise take a quarter of the space."""
    picture = Image.fromarray(as_array(figure, 110))
    picture.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(file)


def as_array(figure: Figure, dpi: int = 100) -> np.ndarray:
    """Render a figure: (H, W, 3) in uint8, RGB."""
    figure.set_dpi(dpi)
    canvas: Any = figure.canvas
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])

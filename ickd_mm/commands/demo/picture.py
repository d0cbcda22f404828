"""The demo's picture: a bar chart, and scenes with each model's predictions."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from PIL import Image

from .scenes import PALETTE

Scene = tuple[np.ndarray, ...]
COLUMNS = ('image', 'truth', 'student alone', 'student + ICKD')


def predict(config: str, checkpoint: str, images: list[Path]) -> list[np.ndarray]:
    """Predict label maps with plain mmseg: the student's config and a run's checkpoint."""
    from mmseg.apis import inference_model, init_model

    model = init_model(config, checkpoint, device='cpu')
    results = inference_model(model, [str(image) for image in images])
    return [result.pred_sem_seg.data[0].numpy() for result in results]


def read_scenes(root: Path, names: list[str], config: str, checkpoints: list[str]) -> list[Scene]:
    """Return image, truth and each checkpoint's prediction for some scenes."""
    images = [root / 'JPEGImages' / f'{name}.jpg' for name in names]
    truths = [np.asarray(Image.open(root / 'SegmentationClass' / f'{n}.png')) for n in names]
    pictures = [np.asarray(Image.open(image)) for image in images]
    return list(zip(pictures, truths, *(predict(config, ckpt, images) for ckpt in checkpoints)))


def draw_summary(scores: dict[str, float], scenes: list[Scene], title: str, file: Path) -> None:
    """Draw one bar per model and one row per scene.

    Args:
        scores: label -> mIoU, 0-100, in the order of the bars.
        scenes: image, truth, prediction alone, prediction distilled.
        title: headline.
        file: where to write.
    """
    figure = plt.figure(figsize=(12, 1.55 * len(scenes) + 0.9), layout='constrained')
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.7))
    axis = left.subplots()
    bars = axis.bar(list(scores), list(scores.values()), color=['0.6', 'tab:blue', 'tab:orange'])
    axis.bar_label(bars, fmt='%.1f', padding=2)
    axis.set(ylabel='mIoU on 250 validation scenes', ylim=(0, max(scores.values()) * 1.12))
    axis.spines[['top', 'right']].set_visible(False)
    colours = ListedColormap(np.asarray(PALETTE) / 255)
    grid = right.subplots(len(scenes), len(COLUMNS), squeeze=False)
    for row, scene in zip(grid, scenes):
        row[0].imshow(scene[0])
        for cell, labels in zip(row[1:], scene[1:]):
            cell.imshow(labels, cmap=colours, vmin=0, vmax=10, interpolation='nearest')
    for cell, heading in zip(grid[0], COLUMNS):
        cell.set_title(heading, fontsize=10)
    for cell in grid.flat:
        cell.set(xticks=[], yticks=[])
    keys = [Patch(color=colours(n + 1), label=str(n)) for n in range(10)]
    right.legend(handles=keys, loc='outside lower center', ncols=10, fontsize=8, frameon=False)
    figure.suptitle(title)
    figure.savefig(file, dpi=110)
    plt.close(figure)

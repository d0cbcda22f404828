"""How hard each pair pulls at its tap beside the task, and which weight would pull otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import Config
from rich.console import Group
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from ...features.dry_run import image_channels
from ...features.gradients import TASK, tap_gradients
from ...features.samples import made_samples
from ...preflight.data import check_data
from ...preflight.image_size import config_image_size
from ...visualization.images import build_loader
from ..students import load_student, start_distiller

RATIOS = (0.1, 0.3, 1.0)
RANDOM_IMAGES = 8


@dataclass(frozen=True)
class Strength:
    """One pair's gradient at its tap.

    Attributes:
        pair: its name.
        tap: the student's.
        weight: the loss's ``loss_weight`` in the config; None if it has none.
        ratio: norm of the pair's gradient over that of the task's, at this weight (at 1 where the
            weight is 0 or None); None where one of the two is 0 or cannot be measured.
        weights: wanted ratio -> the weight that would give it; empty without a ratio.
    """

    pair: str
    tap: str
    weight: float | None
    ratio: float | None
    weights: dict[float, float]


@dataclass(frozen=True)
class Strengths:
    """The pairs, with what student and which data they were measured on."""

    student: str
    data: str
    pairs: list[Strength]


def measure_strengths(cfg: Config, checkpoint: str | None = None) -> Strengths:
    """Measure one batch of a config's training data, or random images where it is not there.

    Args:
        cfg: a distilled config.
        checkpoint: a student's; by default the student is as a run starts with it.

    Raises:
        KeyError, TypeError, ValueError, FileNotFoundError: as training the config would.
    """
    model, about = start_distiller(cfg)
    if checkpoint:
        untrained = sorted({pair.name for pair in model.pairs} - load_student(model, checkpoint))
        about = checkpoint
        about += f' (it has no connector for {", ".join(untrained)})' * bool(untrained)
    weights = {pair.name: getattr(pair.loss, 'loss_weight', None) for pair in model.pairs}
    for pair in model.pairs:
        if weights[pair.name] == 0:
            pair.loss.loss_weight = 1.0
    inputs, samples, data = _batch(cfg, model.train())
    found = tap_gradients(model, inputs, samples)
    pairs = []
    for pair in model.pairs:
        norms, weight = found.get(pair.name, {}), weights[pair.name]
        task, ours = norms.get(TASK, 0.0), norms.get(pair.name, 0.0)
        ratio = ours / task if task and ours else None
        wanted = {r: (weight or 1.0) * r / ratio for r in RATIOS} if ratio else {}
        pairs.append(Strength(pair.name, pair.student.path, weight, ratio, wanted))
    return Strengths(about, data, pairs)


def _batch(cfg: Config, model: Any) -> tuple[torch.Tensor, Any, str]:
    """Return images and labels ready for the model, and what they are."""
    try:
        check_data(cfg, ('train_dataloader',))
        batch = next(iter(build_loader(cfg, ['train_dataloader'])))
    except FileNotFoundError as error:
        size, _ = config_image_size(cfg)
        images = torch.randn(RANDOM_IMAGES, image_channels(model.student), *size)
        what = 'random images, all of class 0: the ratios of real images differ'
        return images, made_samples(RANDOM_IMAGES, size), f'{what} ({error})'
    data = model.data_preprocessor(batch, True)
    return data['inputs'], data.get('data_samples'), f'{len(data["inputs"])} training images'


def strength_table(found: Strengths) -> Group:
    """Show the ratios, and the weights that would give others."""
    headings = ('pair', 'student tap', 'weight now', 'ratio now')
    wanted = (f'weight for {ratio:g}' for ratio in RATIOS)
    columns = (Column(text, overflow='fold') for text in headings)
    table = Table(*columns, *(Column(text, justify='right') for text in wanted))
    for pair in found.pairs:
        weight = 'no loss_weight' if pair.weight is None else f'{pair.weight:g}'
        at = ' at weight 1' if pair.ratio and not pair.weight else ''
        ratio = 'not measurable' if pair.ratio is None else f'{pair.ratio:.3g}{at}'
        values = [f'{value:.3g}' for value in pair.weights.values()] or [''] * len(RATIOS)
        table.add_row(escape(pair.pair), escape(pair.tap), weight, ratio, *values)
    about = (
        'ratio: norm of the gradient that the pair sends into the student at its tap, over that of '
        f"the student's own loss there, on one batch.\nStudent: {found.student}. "
        f'Batch: {found.data}.'
    )
    return Group(table, Text(about))

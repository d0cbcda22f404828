"""The feature maps that pairs match, for a few images."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..features.samples import made_samples
from ..features.taps import Capture
from ..features.unchanged import unchanged
from ..randomness import preserved_randomness

Maps = dict[str, list[Tensor]]
"""pair -> a map (1, C, H, W) for each image."""


def prepared(model: Any, batches: list[Any]) -> list[Tensor]:
    """Return the images of batches as the student's preprocessor makes them, (N, C, H, W) each."""
    return [model.data_preprocessor(batch, False)['inputs'] for batch in batches]


def _untouched(module: nn.Module) -> bool:
    mean, var = (getattr(module, f'running_{name}', None) for name in ('mean', 'var'))
    if not isinstance(module, _BatchNorm) or mean is None or var is None:
        return False
    return not mean.any() and bool(torch.all(var == 1))


@contextmanager
def fresh_statistics(model: nn.Module) -> Iterator[None]:
    """Give batch norms that have never seen an image the statistics of the next batch.

    In eval mode one would pass its input through as it is, which no training step does.
    """

    def learn(module: Any, inputs: tuple) -> None:
        if _untouched(module):
            x = inputs[0].transpose(0, 1).flatten(1).float()
            module.running_mean.copy_(x.mean(1))
            module.running_var.copy_(x.var(1, correction=0))

    with ExitStack() as stack:
        for module in filter(_untouched, model.modules()):
            stack.callback(module.register_forward_pre_hook(learn).remove)
        yield


def _run_to_taps(model: Any, images: Tensor) -> Capture:
    """Run the student up to its last tap: as in training where made labels allow it."""
    taps, copies = [pair.student for pair in model.pairs], model.student_copies
    samples = made_samples(len(images), (images.shape[-2], images.shape[-1]))
    for mode in ('loss', 'tensor'):
        try:
            with Capture(model.student, taps, 'student', stop=True, copies=copies) as seen:
                model.student(images, [s.to(images.device) for s in samples], mode=mode)
            break
        except Exception:
            if mode == 'tensor':
                raise
    return seen


@torch.no_grad()
def student_maps(model: Any, images: list[Tensor], bare: Collection[str] = ()) -> Maps:
    """Return the student's maps, in eval mode, behind the connectors; the model stays as it was.

    Args:
        model: a :class:`~ickd_mm.distillers.FeatureDistiller`.
        images: batches from :func:`prepared`.
        bare: pairs whose connector is left out.
    """
    found: Maps = {pair.name: [] for pair in model.pairs}
    with preserved_randomness(), unchanged(model):
        model.eval()
        with fresh_statistics(model):
            for batch in images:
                seen = _run_to_taps(model, batch)
                for pair in model.pairs:
                    feature: Any = seen[pair.student]
                    if pair.connector is not None and pair.name not in bare:
                        feature = pair.connector(feature)
                    found[pair.name] += _maps(feature)
    return found


@torch.no_grad()
def teacher_maps(model: Any, images: list[Tensor]) -> Maps:
    """Return the teacher's maps."""
    found: Maps = {pair.name: [] for pair in model.pairs}
    for batch in images:
        features = model.teacher(batch)
        for pair in model.pairs:
            found[pair.name] += _maps(features[pair.teacher])
    return found


def _maps(feature: Any) -> list[Tensor]:
    """Split a map by image; what is not a map gives nothing, as logits without positions."""
    is_map = isinstance(feature, Tensor) and feature.dim() == 4 and min(feature.shape[2:]) > 0
    return list(feature.float().split(1)) if is_map else []

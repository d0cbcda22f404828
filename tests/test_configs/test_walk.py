"""Every config builds at its own size, trains a step on smaller images, and predicts."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from support.recipes import FILES, name, recipe
from torch import nn

from ickd_mm.commands.benchmark.batches import random_batch
from ickd_mm.preflight.image_size import image_size

LARGEST = 65


def with_smaller_grids(model, largest=4):
    """Cells no finer than the maps of the small images; the build has seen the real ones."""
    for pair in model.pairs:
        if hasattr(pair.loss, 'grid'):
            pair.loss.grid = tuple(min(n, largest) for n in pair.loss.grid)


def check_step(model, cfg, data):
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    model.train()
    losses = model(**model.data_preprocessor(data, training=True), mode='loss')
    for pair in getattr(model, 'pairs', ()):
        assert losses[pair.name] > 0, pair.name
    total, _ = model.parse_losses(losses)
    assert torch.isfinite(total)
    optimizer.backward(total)
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    without = [n for n, p in trained.items() if p.grad is None or not p.grad.isfinite().all()]
    assert trained
    assert not without
    before = [p.detach().clone() for p in trained.values()]
    optimizer.step()
    assert any(not torch.equal(a, b) for a, b in zip(before, trained.values()))


def check_connectors(model, cfg):
    """They are there, and take their channels from the two models."""
    asked = {key for key, pair in cfg.model.pairs.items() if pair.get('connector')}
    assert asked == set(model.connectors)
    for connector in model.connectors.values():
        assert any(isinstance(module, nn.Conv2d) for module in connector.modules())


def scores_of(sample):
    return sample.seg_logits.data if 'seg_logits' in sample else sample.pred_score


@pytest.mark.slow
@pytest.mark.parametrize('file', FILES, ids=name)
def test_it_builds_trains_and_predicts(file, build):
    cfg = recipe(file)
    size = tuple(min(n, LARGEST) for n in image_size(cfg)[0])
    model = build(cfg)
    if getattr(model.data_preprocessor, 'size', None) is not None:
        model.data_preprocessor.size = size
    if 'teacher' in cfg.model:
        with_smaller_grids(model)
        check_connectors(model, cfg)
    check_step(model, cfg, random_batch(cfg, 3, size))
    if 'teacher' in cfg.model:
        model.teacher.apply(lambda weight: weight)  # gives packed weights back
        teacher = list(model.teacher.model.parameters())
        assert teacher
        assert not any(p.requires_grad or p.grad is not None for p in teacher)
        assert not any(m.training for m in model.teacher.model.modules())
    model.eval()
    with torch.no_grad():
        predicted = model.val_step(random_batch(cfg, 3, size))
    (scores,) = {tuple(scores_of(sample).shape) for sample in predicted}
    assert len(predicted) == 3
    assert scores[0] > 1

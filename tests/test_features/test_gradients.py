"""Gradients at the taps are those that a training step sends there; looking changes nothing."""

import statistics
import time

import pytest
import torch
from support.models import batch

from ickd_mm.features.gradients import TASK, tap_gradients
from ickd_mm.registry import MODELS

pytestmark = pytest.mark.slow


@pytest.fixture
def ready(distiller):
    distiller.train()
    return distiller, distiller.data_preprocessor(batch(), True)


def gradient_of(model, data, name):
    """The gradient of one loss at the output of backbone.layer4, from a whole backward pass."""
    kept = []
    handle = model.backbone.layer4.register_forward_hook(
        lambda module, inputs, output: output.retain_grad() or kept.append(output)
    )
    torch.manual_seed(0)
    losses = model(**data, mode='loss')
    handle.remove()
    losses[name].backward()
    model.zero_grad()
    return kept[0].grad.norm().item()


def test_norms_are_those_of_a_step(ready):
    model, data = ready
    torch.manual_seed(0)
    found = tap_gradients(model, data['inputs'], data['data_samples'])
    assert found == {
        'loss_icc': {
            TASK: pytest.approx(gradient_of(model, data, 'decode.loss_ce'), rel=1e-4),
            'loss_icc': pytest.approx(gradient_of(model, data, 'loss_icc'), rel=1e-4),
        }
    }
    torch.manual_seed(0)
    scaled = tap_gradients(model, data['inputs'], data['data_samples'], lambda loss: 1024 * loss)
    for loss, norm in found['loss_icc'].items():
        assert scaled['loss_icc'][loss] == pytest.approx(1024 * norm, rel=1e-3)


def test_nothing_is_changed(ready):
    model, data = ready
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.get_rng_state()
    tap_gradients(model, data['inputs'], data['data_samples'])
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert all(module.training for module in model.modules())


def test_a_look_costs_less_than_a_step(ready):
    model, data = ready
    optimizer, ratios = torch.optim.SGD(model.parameters(), 1e-3), []
    for _ in range(5):
        began = time.process_time()
        model.parse_losses(model(**data, mode='loss'))[0].backward()
        optimizer.step()
        optimizer.zero_grad()
        between = time.process_time()
        tap_gradients(model, data['inputs'], data['data_samples'])
        ratios.append((time.process_time() - between) / (between - began))
    assert statistics.median(ratios) < 1


def test_a_pair_sees_the_pairs_behind_it_and_a_weight_of_0_is_left_out(
    scope, distiller_cfg, teacher_file
):
    pair = distiller_cfg.pairs.loss_icc
    early = dict(pair, student='backbone.layer3', teacher='backbone.layer3')
    off = dict(pair, connector=dict(type='ickd_mm.ConvConnector'))
    distiller_cfg.pairs = dict(loss_icc=pair, loss_early=early, loss_off=off)
    model = MODELS.build(distiller_cfg).train()
    model.pair_factors['loss_off'] = 0
    data = model.data_preprocessor(batch(), True)
    found = tap_gradients(model, data['inputs'], data['data_samples'])
    assert set(found['loss_early']) == {TASK, 'loss_icc', 'loss_early'}
    assert set(found['loss_icc']) == set(found['loss_off']) == {TASK, 'loss_icc'}


def test_a_copied_feature_is_left_out(scope, distiller_cfg):
    distiller_cfg.pairs.loss_icc.student = 'backbone.layer4.1.bn2'  # the shortcut is added to it
    model = MODELS.build(distiller_cfg).train()
    assert model.student_copies
    data = model.data_preprocessor(batch(), True)
    assert tap_gradients(model, data['inputs'], data['data_samples']) == {}

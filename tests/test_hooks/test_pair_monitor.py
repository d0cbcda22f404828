"""Shares and agreements in the log: right, and without a trace in the run."""

import contextlib
import types

import pytest
import torch
from mmengine.logging import MessageHub
from support.models import batch
from support.repository import ICKD
from support.tools import load, scalars, succeed, train

from ickd_mm.features.gradients import TASK, tap_gradients
from ickd_mm.hooks import PairMonitorHook

SHARE, AGREEMENT = 'icc/gradient_share', 'icc/agreement'


@pytest.mark.parametrize('interval', [-1, 0.5, True])
def test_wrong_intervals(interval):
    with pytest.raises(ValueError, match=f'integer of at least 0, got {interval!r}'):
        PairMonitorHook(interval)


def test_a_model_without_pairs():
    runner = types.SimpleNamespace(model=torch.nn.Identity())
    with pytest.raises(TypeError, match='needs a FeatureDistiller, the model is a Identity'):
        PairMonitorHook().before_train(runner)


def runner_of(model, **wrapper):
    wrapper.setdefault('optim_context', lambda model: contextlib.nullcontext())
    hub = MessageHub.get_instance(f'monitor {id(wrapper)}')
    optim = types.SimpleNamespace(**wrapper)
    return types.SimpleNamespace(model=model.train(), iter=0, optim_wrapper=optim, message_hub=hub)


def test_the_share_is_the_pairs_part_of_all_gradients_at_its_tap(distiller):
    runner, data = runner_of(distiller), batch()
    PairMonitorHook().before_train_iter(runner, 0, data)
    ready = distiller.data_preprocessor(batch(), True)
    norms = tap_gradients(distiller, ready['inputs'], ready['data_samples'])['loss_icc']
    want = norms['loss_icc'] / (norms['loss_icc'] + norms[TASK])
    assert runner.message_hub.get_scalar(f'train/{SHARE}').current() == pytest.approx(want, rel=0.1)
    assert 0.05 < want < 0.99
    same = all(torch.equal(a, b) for a, b in zip(data['inputs'], batch()['inputs']))
    assert same


def test_mixed_precision_gives_the_same_share(distiller):
    """In fp16 the gradients of this pair are below the smallest number without the scaler."""
    distiller.student.decode_head.dropout = None
    distiller.losses['loss_icc'].loss_weight = 1e-5
    distiller.student.decode_head.loss_decode.loss_weight = 1e-5
    scaler = torch.amp.GradScaler('cpu', init_scale=2.0**20)
    shares = []
    for wrapper in (
        {},
        dict(
            loss_scaler=scaler,
            optim_context=lambda model: torch.autocast('cpu', torch.float16),
        ),
    ):
        runner = runner_of(distiller, **wrapper)
        PairMonitorHook().before_train_iter(runner, 0, batch())
        shares.append(runner.message_hub.get_scalar(f'train/{SHARE}').current())
    assert shares[1] == pytest.approx(shares[0], rel=0.05)


def test_what_mmengine_compiles_is_not_run(distiller):
    """With ``compile`` in a config that is ``model.forward``: no look makes it compile again."""
    runner, distiller.forward = runner_of(distiller), None
    PairMonitorHook().before_train_iter(runner, 0, batch())
    assert 0 < runner.message_hub.get_scalar(f'train/{SHARE}').current() < 1


def test_a_pair_that_is_switched_off_has_no_share(distiller):
    runner = runner_of(distiller)
    distiller.pair_factors['loss_icc'] = 0.0
    hook = PairMonitorHook()
    hook.before_train_iter(runner, 0, batch())
    hook.after_train_iter(runner, 0)
    assert runner.message_hub.get_scalar(f'train/{SHARE}').current() == 0
    assert f'train/{AGREEMENT}' not in runner.message_hub.log_scalars


def test_only_every_interval(distiller):
    runner = runner_of(distiller)
    for interval, iteration in ((0, 0), (3, 2)):
        runner.iter = iteration
        PairMonitorHook(interval).before_train_iter(runner, 0, batch())
    assert not runner.message_hub.log_scalars


@pytest.mark.slow
def test_through_the_tool(tmp_path, distilled):
    """The weights are those of a run without the hook; accumulation changes no share."""
    options, plain = distilled
    config = tmp_path / 'watched.py'
    hook = dict(type='ickd_mm.PairMonitorHook', interval=2)
    config.write_text(f'_base_ = {str(ICKD)!r}\ncustom_hooks = [{hook}]\n')
    options = [*options, 'train_cfg.max_iters=6', 'log_processor.window_size=1']
    succeed(train(config, tmp_path / 'a', *options))
    other = ['optim_wrapper.accumulative_counts=2', 'train_cfg.max_iters=2']
    succeed(train(config, tmp_path / 'b', *options, *other))
    steps, others = ([line for line in scalars(tmp_path / name) if 'loss' in line] for name in 'ab')
    for step in steps:
        assert step[AGREEMENT] == pytest.approx(1 - step['loss_icc'] / 5 / 2, rel=1e-5)
    shares = [step[SHARE] for step in steps]
    assert all(0 < share < 1 for share in shares)
    assert shares[0] == shares[1] != shares[2]  # the last one measured stays in the log
    assert others[0][SHARE] == pytest.approx(shares[0], rel=1e-4)
    ran, alone = (load(folder / 'iter_6.pth')['state_dict'] for folder in (tmp_path / 'a', plain))
    assert all(torch.equal(alone[key], value) for key, value in ran.items())

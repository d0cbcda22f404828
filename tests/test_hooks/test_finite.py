"""Numbers that go wrong are reported with names; a step that fp16 AMP skips is no error."""

import contextlib
import functools
import types

import pytest
import torch
from mmengine.logging import HistoryBuffer
from support.forking import train
from support.models import batch
from support.repository import ICKD
from support.tools import load, scalars, succeed

from ickd_mm.hooks import FiniteCheckHook, finite


@pytest.fixture
def step(distiller):
    """One training step of the distiller with a hook, as a runner makes it."""
    distiller.train()
    optimizer = torch.optim.SGD(distiller.parameters(), 0.01)

    def run(hook, spoil=lambda losses: None, scaler=None, precision=contextlib.nullcontext):
        wrapper.optim_context = lambda model: precision()
        runner = types.SimpleNamespace(model=distiller, iter=6, optim_wrapper=wrapper)
        data = distiller.data_preprocessor(batch(), True)
        losses = distiller(**data, mode='loss')
        total, log_vars = distiller.parse_losses(losses)
        scalars = {f'train/{k}': HistoryBuffer([float(v)], [1]) for k, v in log_vars.items()}
        runner.message_hub = types.SimpleNamespace(log_scalars=scalars)
        hook.before_train(runner)
        (scaler.scale(total) if scaler else total).backward()
        spoil(distiller)
        if scaler:
            scaler.step(optimizer)
            scaler.update()
        else:
            optimizer.step()
        hook.after_train_iter(runner, 6, batch(), log_vars)

    wrapper = types.SimpleNamespace(optimizer=optimizer)
    return run


@pytest.fixture
def said(monkeypatch):
    """What the log was told."""
    lines = []
    monkeypatch.setattr(finite, 'print_log', lambda text, *_: lines.append(text))
    return lines


def test_a_sound_step_is_silent(distiller, step, said):
    hook = FiniteCheckHook()
    step(hook)
    step(hook)
    assert not said
    distiller.losses['loss_icc'].loss_weight = 1e39
    step(hook)
    assert len(said) == 1


@pytest.mark.parametrize('poison', [float('nan'), float('inf')])
def test_a_teacher_feature_is_named_with_its_pair(distiller, step, poison):
    distiller.teacher.model.backbone.layer4[1].conv2.bias.data[3] = poison  # its norm's, folded
    with pytest.raises(FloatingPointError) as caught:
        step(FiniteCheckHook(stop=True))
    message = str(caught.value)
    assert message.startswith('Iteration 7: ')
    assert 'loss_icc is nan' in message
    assert "loss_icc: the teacher feature 'backbone.layer4' is not finite" in message


def test_the_teacher_runs_again_in_the_precision_of_the_run(distiller, step):
    distiller.teacher.model.backbone.layer4[1].conv2.bias.data[3] = 1e5  # more than fp16 holds
    distiller.losses['loss_icc'].loss_weight = 1e39
    with pytest.raises(FloatingPointError, match='features, computed again, are finite'):
        step(FiniteCheckHook(stop=True))
    half = functools.partial(torch.autocast, 'cpu', torch.float16)
    with pytest.raises(FloatingPointError, match=r"'backbone.layer4' is not finite"):
        step(FiniteCheckHook(stop=True), precision=half)


def test_a_loss_is_named_where_the_teacher_is_sound(distiller, step):
    distiller.losses['loss_icc'].loss_weight = 1e39
    sound = "loss_icc is inf; the teacher's features, computed again, are finite"
    with pytest.raises(FloatingPointError, match=sound):
        step(FiniteCheckHook(stop=True))


def spoil_connector(distiller):
    distiller.connectors['loss_icc'].conv.conv.weight.grad[0, 0] = float('nan')


def test_a_gradient_is_named_with_its_pair(step):
    with pytest.raises(FloatingPointError) as caught:
        step(FiniteCheckHook(stop=True), spoil_connector)
    message = str(caught.value)
    assert 'Iteration 7: the gradients of 1 parameters are not finite' in message
    assert 'connectors.loss_icc.conv.conv.weight' in message
    assert 'in the connector or loss of pair loss_icc' in message
    assert 'decode.loss_ce' in message


def test_gradients_can_be_left_out(distiller, step):
    hook = FiniteCheckHook(stop=True, gradients=False)
    step(hook, spoil_connector)
    assert distiller.connectors['loss_icc'].conv.conv.weight.isnan().any()
    with pytest.raises(FloatingPointError, match='loss_icc is nan'):
        step(hook)


def test_it_is_reported_once_and_training_goes_on(distiller, step, said):
    distiller.losses['loss_icc'].loss_weight = 1e39
    hook = FiniteCheckHook(gradients=False)
    step(hook)
    assert len(said) == 1
    assert 'loss_icc is inf' in said[0]
    assert 'finite_check.stop=True' in said[0]
    step(hook)  # by now the weights are NaN, and the student's own loss with them
    assert len(said) == 2
    assert 'decode.loss_ce is nan' in said[1]
    step(hook)
    assert len(said) == 2


def test_a_step_that_the_scaler_skips_is_no_error(distiller, step):
    """torch's scaler runs on CPUs too; mmengine's wrapper around it wants an accelerator."""
    scaler = torch.amp.GradScaler('cpu', init_scale=2.0**15)
    before = distiller.connectors['loss_icc'].conv.conv.weight.clone()
    step(FiniteCheckHook(stop=True), spoil_connector, scaler)
    assert torch.equal(distiller.connectors['loss_icc'].conv.conv.weight, before)
    assert scaler.get_scale() == 2.0**14


@pytest.mark.parametrize('wrong', [dict(stop='yes'), dict(gradients=3)])
def test_wrong_arguments(wrong):
    with pytest.raises(TypeError, match=f'{next(iter(wrong))} must be True or False'):
        FiniteCheckHook(**wrong)


@pytest.fixture(scope='module')
def poisoned(teacher_file, tmp_path_factory):
    """A teacher of the right shape with one weight that is NaN."""
    checkpoint = load(teacher_file)
    checkpoint['state_dict']['backbone.layer3.0.conv1.weight'][0, 0, 0, 0] = float('nan')
    file = tmp_path_factory.mktemp('poisoned') / 'teacher.pth'
    torch.save(checkpoint, file)
    return file


@pytest.mark.slow
def test_a_run_with_a_poisoned_teacher_stops_and_writes_no_checkpoint(
    distilled, poisoned, tmp_path
):
    options, _ = distilled
    options = [*options, f'model.teacher_ckpt={poisoned}', 'default_hooks.checkpoint.interval=1']
    done = train(ICKD, tmp_path, *options, 'finite_check.stop=True')
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert 'FloatingPointError: Iteration 1: ' in last
    assert "loss_icc: the teacher feature 'backbone.layer4' is not finite" in last
    assert not list(tmp_path.glob('*.pth'))


@pytest.mark.slow
def test_a_run_whose_weight_is_absurd_goes_on_and_says_so_once(distilled, tmp_path):
    options, _ = distilled
    heavy = 'model.pairs.loss_icc.loss.loss_weight=3e38'
    done = succeed(train(ICKD, tmp_path, *options, heavy, 'train_cfg.max_iters=3'))
    assert [s['step'] for s in scalars(tmp_path) if 'loss' in s] == [1, 2, 3]
    reports = [line for line in done.stdout.splitlines() if ' - ERROR - ' in line]
    assert 'Iteration 1: ' in reports[0]
    assert 'loss_icc is inf' in reports[0]
    assert len(reports) == len(set(reports)) < 4

"""A pair's weight over the training; a teacher that no pair needs does not run."""

from types import SimpleNamespace

import pytest
import torch
from support.repository import ICKD, TEACHER, data_options
from support.tools import scalars, succeed, train

from ickd_mm.hooks import PairWeightHook
from ickd_mm.registry import HOOKS


@pytest.mark.parametrize(
    ('points', 'error', 'message'),
    [
        ([], ValueError, 'must rise from 0 to 1'),
        ([(0.5, 1), (0.5, 0)], ValueError, 'must rise from 0 to 1'),
        ([(0, 1), (1.5, 0)], ValueError, r'must rise from 0 to 1, got \[\(0, 1\), \(1.5, 0\)\]'),
        ([(0, -1)], ValueError, 'finite and at least 0'),
        ([(0, float('inf'))], ValueError, 'finite and at least 0'),
        ([(0, 1, 2)], TypeError, 'a list of'),
        (0.5, TypeError, 'a list of'),
        ([('a', 1)], TypeError, 'a list of'),
    ],
)
def test_wrong_points(points, error, message):
    with pytest.raises(error, match=message):
        PairWeightHook('loss_icc', points)


def runner_of(model, max_iters=10):
    return SimpleNamespace(model=model, iter=0, max_iters=max_iters, hooks=[])


def test_factors_between_points():
    hook = HOOKS.build(
        dict(type='ickd_mm.PairWeightHook', pair='loss_a', points=[(0.2, 1), (0.4, 3), (0.8, 0)])
    )
    model = SimpleNamespace(pair_factors={'loss_a': 1.0, 'loss_b': 1.0})
    runner, seen = runner_of(model), []
    hook.before_train(runner)
    for runner.iter in range(10):
        hook.before_train_iter(runner, runner.iter)
        seen.append(model.pair_factors['loss_a'])
    assert seen == pytest.approx([1, 1, 1, 2, 3, 2.25, 1.5, 0.75, 0, 0])
    assert model.pair_factors['loss_b'] == 1.0


def test_no_such_pair_is_said_before_the_training():
    hook = PairWeightHook('loss_icd', [(0, 1)])
    with pytest.raises(KeyError, match="no pair 'loss_icd'; the model has loss_icc"):
        hook.before_train(runner_of(SimpleNamespace(pair_factors={'loss_icc': 1.0})))
    with pytest.raises(KeyError, match='it is not a distiller'):
        hook.before_train(runner_of(torch.nn.Identity()))


def test_two_hooks_for_one_pair_are_an_error():
    hook, other = PairWeightHook('loss_icc', [(0, 1)]), PairWeightHook('loss_icc', [(0, 2)])
    runner = runner_of(SimpleNamespace(pair_factors={'loss_icc': 1.0}))
    runner.hooks = [hook, other]
    with pytest.raises(ValueError, match="two PairWeightHooks change 'loss_icc'"):
        hook.before_train(runner)


@pytest.mark.slow
def test_through_the_tool_and_over_a_resume(tmp_path, digits, teacher_file):
    config = tmp_path / 'fades.py'
    hook = dict(
        type='ickd_mm.PairWeightHook', pair='loss_icc', points=[(0, 1), (0.5, 1), (0.75, 0)]
    )
    config.write_text(f'_base_ = {str(ICKD)!r}\ncustom_hooks = [{hook}]\n')
    options = [
        *data_options(digits),
        f'model.teacher={TEACHER}',
        f'model.teacher_ckpt={teacher_file}',
        'train_cfg.max_iters=8',
        'train_cfg.val_interval=8',
        'default_hooks.logger.interval=1',
        'log_processor.window_size=1',
        'default_hooks.checkpoint.interval=4',
    ]
    succeed(train(config, tmp_path / 'whole', *options))
    steps = [line for line in scalars(tmp_path / 'whole') if 'loss' in line]
    values = [step['loss_icc'] for step in steps]
    assert len(values) == 8
    assert all(value > 0 for value in values[:6])
    assert values[6:] == [0, 0]
    assert values[5] == pytest.approx(values[4] / 2, rel=0.3)
    for step in steps:
        assert step['loss'] == pytest.approx(step['decode.loss_ce'] + step['loss_icc'], rel=1e-4)
    flags = ['--resume', tmp_path / 'whole/iter_4.pth']
    succeed(train(config, tmp_path / 'rest', *options, flags=flags))
    rest = [line['loss_icc'] for line in scalars(tmp_path / 'rest') if 'loss_icc' in line]
    assert len(rest) == 4
    assert rest[0] > 0
    assert rest[1] == pytest.approx(rest[0] / 2, rel=0.3)
    assert rest[2:] == [0, 0]

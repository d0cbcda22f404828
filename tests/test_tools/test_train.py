"""Training through tools/train.py: what is written, resumed, refused."""

import re

import pytest
from support.repository import ICKD, STUDENT, data_options
from support.tools import load, scalars, succeed, train

pytestmark = pytest.mark.slow


def test_the_log_shows_the_students_losses_and_the_pairs(distilled):
    _, folder = distilled
    steps = [s for s in scalars(folder) if 'loss' in s]
    assert [s['step'] for s in steps] == [1, 2, 3, 4, 5, 6]
    for s in steps:
        assert s['loss'] == pytest.approx(s['decode.loss_ce'] + s['loss_icc'], rel=1e-4)
    assert [s['step'] for s in scalars(folder) if 'mIoU' in s] == [3, 6]


def test_the_log_says_what_is_distilled(distilled):
    _, folder = distilled
    (log,) = folder.glob('*/*.log')
    assert 'student backbone.layer4 (N, 64, 16, 16) -> ConvConnector' in log.read_text()


def test_every_checkpoint_is_a_student_checkpoint(distilled, digits, tmp_path):
    _, folder = distilled
    succeed(train(STUDENT, tmp_path, *data_options(digits), 'train_cfg.max_iters=1'))
    plain = load(tmp_path / 'iter_1.pth')['state_dict']
    for name in ('iter_3.pth', 'iter_6.pth'):
        written = load(folder / name)
        assert {k: v.shape for k, v in written['state_dict'].items()} == {
            k: v.shape for k, v in plain.items()
        }
        assert all(key.startswith('connectors.') for key in written['ickd_mm'])
        assert written['optimizer']['state']
        assert written['param_schedulers']


def test_resuming_from_a_named_checkpoint(distilled, tmp_path):
    options, folder = distilled
    options, flags = [*options, 'train_cfg.max_iters=4'], ['--resume', folder / 'iter_3.pth']
    succeed(train(ICKD, tmp_path, *options, flags=flags))
    assert [s['step'] for s in scalars(tmp_path) if 'loss' in s] == [4]


def test_a_missing_data_folder_names_the_command_that_makes_it(tmp_path):
    done = train(STUDENT, tmp_path, 'train_dataloader.dataset.data_root=no/where')
    assert done.returncode != 0
    assert 'train_dataloader.dataset.data_root' in done.stderr
    assert "'no/where'" in done.stderr
    assert 'python tools/prepare_digits.py' in done.stderr


def test_a_wrong_value_ends_before_training(distilled, tmp_path):
    base, _ = distilled
    wrong = 'model.pairs.loss_icc.student=backbone.layer9'
    done = train(ICKD, tmp_path, *base, 'train_cfg.max_iters=1', wrong)
    assert done.returncode != 0
    assert re.search('nearest: .*layer4', done.stderr.splitlines()[-1]), done.stderr[-600:]
    assert not list(tmp_path.glob('*.pth'))
    assert not scalars(tmp_path)

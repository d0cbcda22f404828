"""Training through tools/train.py: what is written, resumed, refused."""

import os
import subprocess
import sys

import pytest
import torch
from support.repository import ICKD, REPO, STUDENT, data_options
from support.tools import load, run_tool, scalars, succeed, train

pytestmark = pytest.mark.slow

BIN = os.path.dirname(sys.executable)


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


def test_it_goes_on_as_if_never_interrupted(distilled, tmp_path):
    """Six iterations at once, or three and then three more: the same weights.

    The loader starts afresh on resuming, so both parts see the same data only if the data do
    not depend on where the run stands: one batch, no randomness in the pipeline.
    """
    options, _ = distilled
    fixed = [
        *options,
        'train_dataloader.sampler.shuffle=False',
        'train_dataloader.dataset.indices=4',
        'train_dataloader.dataset.pipeline.2.ratio_range=(1.0,1.0)',
        'train_dataloader.dataset.pipeline.4.type=Resize',
        'train_dataloader.dataset.pipeline.4.scale=(64,64)',
        'model.student.decode_head.dropout_ratio=0',
        'train_cfg.max_iters=6',
    ]
    succeed(train(ICKD, tmp_path / 'whole', *fixed))
    succeed(train(ICKD, tmp_path / 'parts', *fixed))
    (tmp_path / 'parts/iter_6.pth').unlink()
    (tmp_path / 'parts/last_checkpoint').write_text(str(tmp_path / 'parts/iter_3.pth'))
    done = succeed(train(ICKD, tmp_path / 'parts', *fixed, flags=['--resume']))
    assert 'resumed epoch: 0, iter: 3' in done.stdout + done.stderr
    assert 'is not HistoryBuffer' not in done.stdout + done.stderr
    whole, parts = load(tmp_path / 'whole/iter_6.pth'), load(tmp_path / 'parts/iter_6.pth')
    for part in ('state_dict', 'ickd_mm'):
        for key, value in whole[part].items():
            assert torch.equal(parts[part][key], value), key
    for number, state in whole['optimizer']['state'].items():
        for key, value in state.items():
            assert torch.equal(parts['optimizer']['state'][number][key], value)
    history = [load(tmp_path / n / 'iter_6.pth')['message_hub']['log_scalars'] for n in
               ('whole', 'parts')]  # fmt: skip
    a, b = (h['train/loss_icc']['log_history'] for h in history)
    torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_resuming_from_a_named_checkpoint(distilled, tmp_path):
    options, folder = distilled
    options, flags = [*options, 'train_cfg.max_iters=4'], ['--resume', folder / 'iter_3.pth']
    succeed(train(ICKD, tmp_path, *options, flags=flags, fresh=True))
    assert [s['step'] for s in scalars(tmp_path) if 'loss' in s] == [4]


def test_ema_averages_the_student_and_resumes(distilled, tmp_path):
    options, _ = distilled
    hook = "custom_hooks=[{'type':'EMAHook','momentum':0.3}]"
    config = tmp_path / 'ema.py'
    config.write_text(f'_base_ = {str(ICKD)!r}\n{hook}\n')
    succeed(train(config, tmp_path, *options, 'train_cfg.max_iters=3'))
    written = load(tmp_path / 'iter_3.pth')
    averaged, live = written['state_dict'], written['ema_state_dict']
    key = 'backbone.layer4.1.conv2.weight'
    assert not torch.equal(averaged[key], live[f'module.{key}'])
    assert not any('teacher' in k for k in live)
    succeed(train(config, tmp_path, *options, 'train_cfg.max_iters=5', flags=['--resume']))
    assert (tmp_path / 'iter_5.pth').is_file()


@pytest.mark.skipif(not torch.cuda.is_available(), reason='mmengine has AMP on GPUs alone')
def test_mixed_precision(distilled, tmp_path):
    options, _ = distilled
    succeed(train(ICKD, tmp_path, *options, 'train_cfg.max_iters=2', flags=['--amp']))
    losses = [s['loss_icc'] for s in scalars(tmp_path) if 'loss_icc' in s]
    assert len(losses) == 2
    assert all(0 < loss < 20 for loss in losses)


def test_a_missing_data_folder_names_the_command_that_makes_it(tmp_path):
    done = train(STUDENT, tmp_path, 'train_dataloader.dataset.data_root=no/where')
    assert done.returncode != 0
    assert 'train_dataloader.dataset.data_root' in done.stderr
    assert "'no/where'" in done.stderr
    assert 'python tools/prepare_digits.py' in done.stderr


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['model.pairs.loss_icc.student=backbone.layer9'], 'nearest: .*layer4'),
        (['model.pairs.loss_icc.grdi=4'], "unknown key 'grdi'"),
        (['model.teacher_ckpt=none.pth'], "'none.pth' does not exist"),
    ],
)
def test_a_wrong_value_ends_before_training(distilled, tmp_path, options, message):
    import re

    base, _ = distilled
    done = train(ICKD, tmp_path, *base, 'train_cfg.max_iters=1', *options)
    assert done.returncode != 0
    assert re.search(message, done.stderr.splitlines()[-1]), done.stderr[-600:]
    assert not list(tmp_path.glob('*.pth'))
    assert not scalars(tmp_path)


def test_a_missing_config(tmp_path):
    done = run_tool(REPO / 'tools/train.py', 'no/such.py')
    assert done.returncode != 0
    assert "config 'no/such.py' does not exist" in done.stderr


def test_two_processes(distilled, tmp_path):
    """dist_train.sh with gloo on CPUs: no unused parameter, one writer, the pairs in the log."""
    options, _ = distilled
    args = (ICKD, 2, '--work-dir', tmp_path, '--cfg-options', *options)
    rest = ('train_cfg.max_iters=2', 'find_unused_parameters=False')
    env = dict(PORT='29517', OMP_NUM_THREADS='1', PATH=f'{BIN}:{os.environ["PATH"]}')
    command = ['bash', REPO / 'tools/dist_train.sh', *args, *rest]
    done = subprocess.run(
        list(map(str, command)),
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=240,
    )
    succeed(done)
    assert load(tmp_path / 'iter_2.pth')['ickd_mm']
    assert len([s for s in scalars(tmp_path) if 'loss_icc' in s]) == 2

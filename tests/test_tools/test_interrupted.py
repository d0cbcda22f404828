"""Runs that die, by a real ``kill -9`` or a disk that is full, go on as if they had not."""

import os
import random
import shutil
import time

import pytest
import torch
from support.forking import start_train, train
from support.repository import ICKD
from support.tools import load, scalars, succeed

pytestmark = pytest.mark.slow

LAST = 8
PLAIN_PIPELINE = [
    'train_dataloader.dataset.pipeline.2.ratio_range=(1.0,1.0)',
    'train_dataloader.dataset.pipeline.4.type=Resize',
    'train_dataloader.dataset.pipeline.4.scale=(64,64)',
    'model.student.decode_head.dropout_ratio=0',
]
CONFIG = """
_base_ = {base!r}
custom_hooks = [dict(type='EMAHook', momentum=0.3)]
"""


@pytest.fixture(scope='module')
def setting(distilled, tmp_path_factory):
    """A config with EMA, options without randomness, and its run, never interrupted."""
    options, _ = distilled
    folder = tmp_path_factory.mktemp('resuming')
    config = folder / 'ema.py'
    config.write_text(CONFIG.format(base=str(ICKD)))
    options = [
        *options,
        *PLAIN_PIPELINE,
        f'train_cfg.max_iters={LAST}',
        f'train_cfg.val_interval={LAST}',
        'default_hooks.checkpoint.interval=2',
    ]
    succeed(train(config, folder / 'whole', *options))
    return config, options, folder / 'whole'


def test_a_checkpoint_holds_the_average_and_the_live_student(setting):
    *_, whole = setting
    written = load(whole / f'iter_{LAST}.pth')
    averaged, live = written['state_dict'], written['ema_state_dict']
    key = 'backbone.layer4.1.conv2.weight'
    assert not torch.equal(averaged[key], live[f'module.{key}'])
    assert not any('teacher' in k for k in live)


def losses(folder):
    """Iteration -> every logged loss, of the last time that it ran."""
    return {
        s['step']: {k: v for k, v in s.items() if 'loss' in k or k == 'lr'}
        for s in scalars(folder)
        if 'loss' in s
    }


def same(a, b, path=''):
    """Nested containers are equal, tensors bit for bit."""
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), path
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            same(a[key], b[key], f'{path}.{key}')
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), path
        for number, (x, y) in enumerate(zip(a, b)):
            same(x, y, f'{path}[{number}]')
    else:
        assert a == b, path


def ends_alike(folder, whole):
    """Every loss since the resuming, and all that the last checkpoint holds."""
    assert losses(folder) == losses(whole)
    ours, theirs = (load(f / f'iter_{LAST}.pth') for f in (folder, whole))
    parts = ('state_dict', 'ema_state_dict', 'ickd_mm', 'optimizer', 'param_schedulers')
    for part in parts:
        same(theirs[part], ours[part], part)
    for key, value in theirs['message_hub']['log_scalars'].items():
        if 'loss' in key or 'lr' in key:
            same(value, ours['message_hub']['log_scalars'][key], key)


def copy(whole, folder, *steps):
    """The folder of a run that has got as far as the last of these checkpoints."""
    folder.mkdir(parents=True)
    for step in steps:
        shutil.copy(whole / f'iter_{step}.pth', folder)
    (folder / 'last_checkpoint').write_text(str(folder / f'iter_{steps[-1]}.pth'))
    return folder


def test_killed_at_a_random_iteration(setting, tmp_path):
    config, options, whole = setting
    moment = random.SystemRandom().randint(3, LAST - 1)
    run = start_train(config, tmp_path, *options)
    run.until(lambda: len(losses(tmp_path)) >= moment)
    time.sleep(random.SystemRandom().random() / 10)
    run.kill()
    assert not (tmp_path / f'iter_{LAST}.pth').exists(), 'it was faster than its killer'
    newest = max(f.name for f in tmp_path.glob('iter_*.pth'))
    done = succeed(train(config, tmp_path, *options, flags=['--resume'], name='resumed.txt'))
    assert f'Resumes from {tmp_path / newest}' in done.stdout
    assert 'is not HistoryBuffer' not in done.stdout
    ends_alike(tmp_path, whole)


def test_killed_while_a_checkpoint_is_being_written(setting, tmp_path):
    """A named pipe stands where the bytes go: the writer is stopped in the middle of them."""
    config, options, whole = setting
    folder = copy(whole, tmp_path / 'run', 2)
    pipe = folder / '.iter_4.pth.part'
    os.mkfifo(pipe)
    run = start_train(config, folder, *options, flags=['--resume'])
    with open(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), 'rb', buffering=0) as reader:
        os.set_blocking(reader.fileno(), True)
        run.until(lambda: 'Saving checkpoint at 4 iterations' in run.output())
        half = b''
        while len(half) < 1000:
            half += reader.read(1000) or b''
            assert run.process.is_alive() or half
        run.kill()
    pipe.unlink()
    pipe.write_bytes(half)
    assert not (folder / 'iter_4.pth').exists()
    done = succeed(train(config, folder, *options, flags=['--resume'], name='resumed.txt'))
    assert f'Resumes from {folder / "iter_2.pth"}' in done.stdout
    ends_alike_since(folder, whole, 2)
    assert not pipe.exists()


def ends_alike_since(folder, whole, step):
    assert losses(folder) == {k: v for k, v in losses(whole).items() if k > step}
    for part in ('state_dict', 'ema_state_dict', 'ickd_mm', 'optimizer'):
        ours, theirs = (load(f / f'iter_{LAST}.pth')[part] for f in (folder, whole))
        same(theirs, ours, part)


def test_broken_files_are_named_and_passed_over_and_a_full_disk_loses_nothing(setting, tmp_path):
    config, options, whole = setting
    folder = copy(whole, tmp_path / 'run', 2, 4, 6, 8)
    content = (folder / 'iter_8.pth').read_bytes()
    (folder / 'iter_8.pth').write_bytes(content[: len(content) // 2])
    (folder / 'iter_6.pth').write_bytes(b'')
    limit = len(content) // 2
    flags = ['--resume']
    keep = 'default_hooks.checkpoint.max_keep_ckpts=1'
    done = train(config, folder, *options, keep, flags=flags, file_limit=limit)
    assert done.returncode != 0
    assert 'File too large; older checkpoints are untouched' in done.stderr.splitlines()[-1]
    for name in ('iter_8.pth', 'iter_6.pth'):
        assert f'Skips {name}' in done.stdout
    assert f'Resumes from {folder / "iter_4.pth"}' in done.stdout
    same(load(whole / 'iter_4.pth'), load(folder / 'iter_4.pth'))
    assert not list(folder.glob('.*.part'))

    for name in ('iter_8.pth', 'iter_6.pth'):
        (folder / name).unlink()
    succeed(train(config, folder, *options, keep, flags=flags, name='again.txt'))
    ends_alike_since(folder, whole, 4)
    assert {f.name for f in folder.glob('*.pth')} == {f'iter_{n}.pth' for n in (2, 4, LAST)}


def test_resuming_from_a_named_file_that_is_broken_is_an_error(setting, tmp_path):
    config, options, whole = setting
    file = tmp_path / 'iter_6.pth'
    file.write_bytes((whole / 'iter_6.pth').read_bytes()[:5000])
    done = train(config, tmp_path / 'run', *options, flags=['--resume', file])
    assert done.returncode != 0
    assert f"'{file}' is not a whole checkpoint" in done.stderr.splitlines()[-1]
    assert not scalars(tmp_path / 'run')

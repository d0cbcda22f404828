"""``tools/train.py --amp`` on a GPU with EMA, killed and resumed."""

import subprocess
import sys
import time

import pytest
import torch
from support.gpu import ON_GPU
from support.repository import ICKD, REPO, TEACHER, data_options
from support.tools import load, run_tool, scalars, succeed

pytestmark = pytest.mark.gpu

CONFIG = """
_base_ = {base!r}
custom_hooks = [dict(type='EMAHook', momentum=0.3)]
param_scheduler = None
teacher_val = False
"""
FLAGS = ['--amp'] * ON_GPU
PLAIN_PIPELINE = [
    'train_dataloader.dataset.pipeline.2.ratio_range=(1.0,1.0)',
    'train_dataloader.dataset.pipeline.4.type=Resize',
    'train_dataloader.dataset.pipeline.4.scale=(64,64)',
    'model.student.decode_head.dropout_ratio=0',
]


def losses(folder):
    """For each time that an iteration ran, its number and its losses."""
    return [
        (row['step'], {key: row[key] for key in row if 'loss' in key})
        for row in scalars(folder)
        if 'loss' in row
    ]


def test_amp_with_an_average_killed_and_resumed(digits, teacher_file, tmp_path):
    config = tmp_path / 'amp.py'
    config.write_text(CONFIG.format(base=str(ICKD)))
    words = [config, '--work-dir', tmp_path, *FLAGS]
    options = [
        '--cfg-options',
        *data_options(digits),
        *PLAIN_PIPELINE,
        f'model.teacher={TEACHER}',
        f'model.teacher_ckpt={teacher_file}',
        'default_hooks.checkpoint.interval=2',
        'train_cfg.val_interval=1000',
    ]
    train, log = REPO / 'tools/train.py', tmp_path / 'killed.txt'
    command = [sys.executable, train, *words, *options, 'train_cfg.max_iters=100000']
    with log.open('w') as file:
        run = subprocess.Popen(list(map(str, command)), cwd=REPO, stdout=file, stderr=file)
    try:
        end = time.monotonic() + 90
        while len(losses(tmp_path)) < 5:
            assert run.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < end, log.read_text()[-3000:]
            time.sleep(0.05)
    finally:
        run.kill()
        run.wait()
    before = dict(losses(tmp_path)[:5])

    middle = tmp_path / 'iter_2.pth'
    words[2] = resumed = tmp_path / 'resumed'
    resume = ['--resume', middle]
    done = run_tool(train, *words, *resume, *options, 'train_cfg.max_iters=5', fresh=True)
    succeed(done)
    after = dict(losses(resumed))
    assert sorted(after) == [3, 4, 5]
    for step, values in after.items():
        assert values == pytest.approx(before[step], rel=0.02)

    last = load(resumed / 'iter_5.pth')
    averaged, live = last['state_dict'], last['ema_state_dict']
    key = 'backbone.layer4.1.conv2.weight'
    assert not torch.equal(averaged[key], live[f'module.{key}'])
    if ON_GPU:
        assert load(middle)['optimizer']['loss_scaler']['scale'] > 0

"""Two processes with gloo through tools/dist_train.sh, and what one that dies does to the other."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch
from support.forking import train
from support.ranks import free_port, run_ranks
from support.repository import ICKD, REPO
from support.tools import load, run_tool, succeed

pytestmark = pytest.mark.slow

SPY = '''
import json, os
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module()
class SpyHook(Hook):
    """Keeps batch norms in eval mode; changes this rank's teacher where it does not run."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        for module in runner.model.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.eval()
        model = getattr(runner.model, 'module', runner.model)
        self.teacher = model.teacher.model.data_preprocessor  # buffers that no step reads
        if batch_idx == 0:
            self.teacher.mean.fill_(100.0 + get_rank())
            self.teacher.std.fill_(100.0 + get_rank())

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if batch_idx != 1 or runner.model is getattr(runner.model, 'module', runner.model):
            return
        ours = {t.data_ptr() for t in (*runner.model.parameters(), *runner.model.buffers())}
        teacher = runner.model.module.teacher.model.state_dict().values()
        seen = dict(
            pid=os.getpid(),
            in_buckets=runner.model._get_ddp_logging_data()['num_parameter_tensors'],
            own=len(list(runner.model.module.parameters())),
            shared=sum(t.data_ptr() in ours for t in teacher),
            std=self.teacher.std[0].item(),
            mean=self.teacher.mean[0].item(),
        )
        part = os.path.join(runner.work_dir, f'.rank{get_rank()}')
        with open(part, 'w') as file:
            json.dump(seen, file)
        os.rename(part, os.path.join(runner.work_dir, f'rank{get_rank()}.json'))
'''
CONFIG = """
_base_ = {base!r}
custom_imports = dict(imports=['spy'])
custom_hooks = [dict(type='SpyHook')]
param_scheduler = None
teacher_val = False
optim_wrapper = dict(
    _delete_=True, optimizer=dict(type='SGD', lr=1e-3, momentum=0.9))
"""


@pytest.fixture(scope='module')
def dead(distilled, tmp_path_factory):
    """A run of two processes of which one is killed after its second step.

    Returns the folder, how it ended, how long that took, the log, and the gradient of the first
    step of one process on the joint batch.
    """
    options, _ = distilled
    folder = tmp_path_factory.mktemp('processes')
    (folder / 'spy.py').write_text(SPY)
    config = folder / 'two.py'
    config.write_text(CONFIG.format(base=str(ICKD)))
    options = [
        *options,
        'train_dataloader.sampler.shuffle=False',
        'train_dataloader.dataset.pipeline.2.ratio_range=(1.0,1.0)',
        'train_dataloader.dataset.pipeline.4.type=Resize',
        'train_dataloader.dataset.pipeline.4.scale=(64,64)',
        'model.student.decode_head.dropout_ratio=0',
        'default_hooks.checkpoint.interval=1',
    ]
    env = dict(PYTHONPATH=f'{folder}:{REPO}')
    options_of_one = [*options, 'train_dataloader.batch_size=4', 'train_cfg.max_iters=1']
    succeed(train(config, folder / 'one', *options_of_one, env=env))
    env |= dict(PORT=str(free_port()), OMP_NUM_THREADS='1')
    env['PATH'] = f'{os.path.dirname(sys.executable)}:{os.environ["PATH"]}'
    rest = ('train_dataloader.batch_size=2', 'train_cfg.max_iters=100000')
    words = ['bash', REPO / 'tools/dist_train.sh', config, 2, '--work-dir', folder / 'two']
    words += ['--cfg-options', *options, *rest]
    log = folder / 'two.txt'
    with open(log, 'wb') as file:
        process = subprocess.Popen(
            list(map(str, words)), env={**os.environ, **env}, stdout=file, stderr=file
        )
    try:
        ranks = [folder / f'two/rank{n}.json' for n in range(2)]
        end = time.monotonic() + 200
        while not all(rank.is_file() for rank in ranks):
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < end, log.read_text()[-3000:]
            time.sleep(0.1)
        os.kill(json.loads(ranks[1].read_text())['pid'], signal.SIGKILL)
        started = time.monotonic()
        code = process.wait(timeout=120)
        seconds = time.monotonic() - started
    finally:
        process.kill()
    return folder, code, seconds, log.read_text(), [json.loads(r.read_text()) for r in ranks]


def test_a_rank_that_dies_ends_the_run_with_an_error_within_a_minute(dead):
    _, code, seconds, log, ranks = dead
    assert code != 0
    assert seconds < 60
    assert 'SIGKILL' in log or 'Signal 9' in log
    for rank in ranks:
        with pytest.raises(ProcessLookupError):
            os.kill(rank['pid'], 0)


def test_the_gradients_are_those_of_one_process_on_the_joint_batch(dead):
    """The momentum of the first SGD step is its gradient."""
    folder, *_ = dead
    one, two = (load(folder / name / 'iter_1.pth') for name in ('one', 'two'))
    gradients = [c['optimizer']['state'] for c in (one, two)]
    assert gradients[0].keys() == gradients[1].keys()
    assert len(gradients[0]) > 60
    largest = 0
    for number, state in gradients[0].items():
        ours, theirs = gradients[1][number]['momentum_buffer'], state['momentum_buffer']
        scale = theirs.abs().max().item()
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-3 * scale + 1e-7)
        largest = max(largest, scale)
    assert largest > 1e-3
    for part in ('state_dict', 'ickd_mm'):
        for key, value in one[part].items():
            torch.testing.assert_close(two[part][key], value, rtol=1e-4, atol=1e-6)


def test_the_teacher_is_in_no_bucket_and_broadcast_by_nobody(dead):
    *_, ranks = dead
    for number, rank in enumerate(ranks):
        assert rank['in_buckets'] == rank['own']
        assert rank['shared'] == 0
        assert rank['std'] == rank['mean'] == 100 + number, 'each rank has its own'


def test_two_processes_score_the_teacher_as_one_does(distilled, tmp_path):
    options, folder = distilled
    alone = ('--teacher', '--work-dir', tmp_path / 'one', '--cfg-options', *options)
    alone = succeed(run_tool(REPO / 'tools/test.py', ICKD, *alone))
    words = (ICKD, folder / 'iter_6.pth', '--teacher', '--work-dir', tmp_path / 'two')
    both = run_ranks('test.py', *words, '--cfg-options', *options)
    scores = [re.findall(r'mIoU: ([\d.]+)', text) for text in (alone.stdout + alone.stderr, both)]
    assert scores[0]
    assert set(scores[0]) == set(scores[1])


def test_the_script_that_tests_starts_the_tool_as_the_one_that_trains(tmp_path):
    """``dist_train.sh`` is run above; ``dist_test.sh`` differs in the checkpoint alone."""
    (tmp_path / 'python').write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / 'python').chmod(0o755)
    env = dict(os.environ, PATH=f'{tmp_path}:{os.environ["PATH"]}')
    said = {}
    for name, words in {'train': ['c.py', '2'], 'test': ['c.py', 'x.pth', '2']}.items():
        script = REPO / f'tools/dist_{name}.sh'
        command = ['bash', str(script), *words, '--work-dir', 'out']
        said[name] = subprocess.check_output(command, env=env, text=True).splitlines()
    assert 'x.pth' in said['test']
    said['test'].remove('x.pth')
    assert said['test'] == [word.replace('train.py', 'test.py') for word in said['train']]


def test_only_rank_0_writes(dead):
    folder, *_ = dead
    names = {p.name for p in (folder / 'two').iterdir() if p.is_dir()}
    assert len(names) == 1
    (inside,) = ((folder / 'two' / name) for name in names)
    assert len(list(inside.glob('*.log'))) == 1
    assert len(list(inside.glob('vis_data/scalars.json'))) == 1
    lines = [json.loads(line) for line in (inside / 'vis_data/scalars.json').open()]
    steps = [line['step'] for line in lines]
    assert steps == sorted(set(steps))
    assert all(line['loss_icc'] > 0 for line in lines)

"""Old checkpoints stay until the new one is whole."""

import os

import pytest
import torch
from mmengine.hooks import CheckpointHook
from mmengine.model import BaseModel
from mmengine.runner import Runner

from ickd_mm.runtime import setup
from ickd_mm.runtime.checkpoint_files import WholeFileBackend
from ickd_mm.runtime.checkpoint_removal import KeepingCheckpointHook

pytestmark = pytest.mark.slow


class Line(BaseModel):
    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(1, 1)

    def forward(self, x, mode):
        return dict(loss=self.line(x).square().mean())


@pytest.fixture
def run(tmp_path):
    """Train a line for some iterations, in this process."""
    setup()

    def start(steps, folder=tmp_path / 'run', **checkpoint):
        settings = dict(type='CheckpointHook', by_epoch=False, interval=1, max_keep_ckpts=1)
        runner = Runner(
            Line(),
            str(folder),
            torch.utils.data.DataLoader([dict(x=torch.ones(1))] * 2),
            train_cfg=dict(by_epoch=False, max_iters=steps),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
            default_hooks=dict(checkpoint=settings | checkpoint),
            experiment_name=f'{folder}-{steps}-{len(os.listdir(tmp_path))}'.replace('/', '-'),
            log_level='ERROR',
        )
        runner.train()
        return sorted(p.name for p in folder.glob('*.pth'))

    return start


def test_the_name_means_the_hook_that_keeps():
    setup()
    from mmengine.registry import HOOKS

    assert HOOKS.get('CheckpointHook') is KeepingCheckpointHook
    assert issubclass(KeepingCheckpointHook, CheckpointHook)


def test_a_validation_without_a_training_saves_nothing():
    KeepingCheckpointHook(by_epoch=False).after_val_epoch(None, metrics=dict(mIoU=1.0))


def test_one_is_kept(run):
    assert run(3) == ['iter_3.pth']


def test_a_save_that_fails_leaves_the_one_before(run, tmp_path, monkeypatch):
    put = WholeFileBackend.put

    def full(self, obj, filepath):
        if 'iter_3' in str(filepath):
            raise OSError(28, 'No space left on device')
        put(self, obj, filepath)

    monkeypatch.setattr(WholeFileBackend, 'put', full)
    with pytest.raises(OSError, match='No space left'):
        run(4)
    (left,) = (tmp_path / 'run').glob('*.pth')
    assert left.name == 'iter_2.pth'
    assert torch.load(left, weights_only=True)['meta']['iter'] == 2


def hook_in(folder):
    hook = KeepingCheckpointHook(by_epoch=False)
    hook.out_dir, hook.file_backend = str(folder), WholeFileBackend()
    return hook


def test_only_its_own_folder_is_cleared(tmp_path):
    """A copied run must not delete the files of the run that it was copied from."""
    for folder in ('ours', 'theirs'):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / 'best.pth').touch()
    hook = hook_in(tmp_path / 'ours')
    with hook._removing_later():
        for folder in ('ours', 'theirs'):
            hook.file_backend.remove(str(tmp_path / folder / 'best.pth'))
        assert (tmp_path / 'ours/best.pth').exists()
    assert not (tmp_path / 'ours/best.pth').exists()
    assert (tmp_path / 'theirs/best.pth').exists()


def test_what_was_just_written_is_not_removed(tmp_path):
    (tmp_path / 'iter_2.pth').touch()
    hook = hook_in(tmp_path)
    with hook._removing_later():
        hook.file_backend.remove(str(tmp_path / 'iter_2.pth'))
        hook.last_ckpt = str(tmp_path / 'iter_2.pth')
    assert (tmp_path / 'iter_2.pth').exists()

"""The newest whole checkpoint is found, whatever a crash left behind."""

import pytest
import torch
from mmengine.config import Config

from ickd_mm.checkpoint import resuming
from ickd_mm.checkpoint.resuming import check_resumable, choose_resume, newest_whole

WHOLE = dict(
    meta=dict(iter=1, epoch=0), state_dict=dict(w=torch.ones(500)), message_hub={}, optimizer={}
)


def folder_of(path, *steps, name='iter_{}.pth'):
    for step in steps:
        torch.save(WHOLE, path / name.format(step))
    (path / 'last_checkpoint').write_text(str(path / name.format(steps[-1])))
    return path


@pytest.mark.parametrize('name', ['iter_{}.pth', 'epoch_{}.pth', '{}.pth', 'run-2_step{}.pth'])
def test_the_highest_number_wins(tmp_path, name):
    folder = folder_of(tmp_path, 2, 10, 9, name=name)
    assert newest_whole(folder) == folder / name.format(10)


def test_a_whole_file_that_the_pointer_does_not_know_yet(tmp_path):
    folder = folder_of(tmp_path, 2, 4)
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_2.pth'))
    assert newest_whole(folder).name == 'iter_4.pth'
    (folder / 'last_checkpoint').write_text('')
    assert newest_whole(folder).name == 'iter_4.pth'
    (folder / 'last_checkpoint').unlink()
    assert newest_whole(folder).name == 'iter_4.pth'


SIZE = 4000


@pytest.fixture
def said(monkeypatch):
    """What the log was told."""
    lines = []
    monkeypatch.setattr(resuming, 'print_log', lambda text, *_: lines.append(text))
    return lines


@pytest.mark.parametrize('cut', [0, 1, 2, 3, 4, 5, 30, 100, 500, 1000, 2000, 2500, -500, -22, -1])
def test_a_file_cut_off_anywhere_is_named_and_passed_over(tmp_path, said, cut):
    folder = folder_of(tmp_path, 2, 4)
    content = (folder / 'iter_4.pth').read_bytes()
    assert len(content) > 2500
    (folder / 'iter_4.pth').write_bytes(content[:cut])
    assert newest_whole(folder).name == 'iter_2.pth'
    assert len(said) == 1
    assert said[0].startswith('Skips iter_4.pth: ')


@pytest.mark.parametrize('content', [b'\0' * SIZE, b'not a checkpoint' * 100])
def test_a_file_of_something_else_is_passed_over(tmp_path, content):
    folder = folder_of(tmp_path, 2, 4)
    (folder / 'iter_4.pth').write_bytes(content)
    assert newest_whole(folder).name == 'iter_2.pth'


def test_a_byte_that_flipped(tmp_path):
    folder = folder_of(tmp_path, 2, 4)
    content = bytearray((folder / 'iter_4.pth').read_bytes())
    content[content.index(b'PK\x01\x02') + 3] ^= 0xFF
    (folder / 'iter_4.pth').write_bytes(content)
    assert newest_whole(folder).name == 'iter_2.pth'


def test_best_and_exported_files_are_not_resumed_from(tmp_path):
    folder = folder_of(tmp_path, 2)
    torch.save(dict(state_dict={}, meta={}), folder / 'best_mIoU_iter_90.pth')
    torch.save(dict(state_dict={}, meta={}), folder / 'student_99.pth')
    assert newest_whole(folder).name == 'iter_2.pth'


def test_checkpoints_that_lie_elsewhere(tmp_path):
    (tmp_path / 'far').mkdir()
    far = folder_of(tmp_path / 'far', 2, 4)
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run/last_checkpoint').write_text(str(far / 'iter_2.pth'))
    assert newest_whole(tmp_path / 'run') == far / 'iter_4.pth'


def test_no_whole_checkpoint_is_an_error_and_none_at_all_is_not(tmp_path):
    assert newest_whole(tmp_path) is None
    (tmp_path / 'iter_2.pth').touch()
    with pytest.raises(ValueError, match=r'none of the 1 checkpoints .* \(newest: iter_2.pth\)'):
        newest_whole(tmp_path)


@pytest.mark.parametrize('key', WHOLE)
def test_what_resuming_needs_must_be_there(tmp_path, key):
    torch.save({k: v for k, v in WHOLE.items() if k != key}, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=f'lacks {key}.*load_from'):
        check_resumable(tmp_path / 'a.pth')


def config(folder, **more):
    return Config(dict(work_dir=str(folder), **more))


def test_the_choice_is_written_into_the_config(tmp_path):
    folder = folder_of(tmp_path, 2)
    cfg = config(folder)
    choose_resume(cfg)
    assert cfg.resume is True
    assert cfg.load_from == str(folder / 'iter_2.pth')


def test_without_a_checkpoint_the_run_starts_as_its_config_says(tmp_path):
    cfg = config(tmp_path, load_from='pretrained.pth')
    choose_resume(cfg)
    assert cfg.resume is False
    assert cfg.load_from == 'pretrained.pth'


def test_a_named_file_must_be_whole(tmp_path):
    (tmp_path / 'a.pth').touch()
    with pytest.raises(ValueError, match=r"a\.pth' is not a whole checkpoint"):
        choose_resume(config(tmp_path), str(tmp_path / 'a.pth'))
    with pytest.raises(FileNotFoundError):
        choose_resume(config(tmp_path), str(tmp_path / 'b.pth'))


def test_other_places_are_left_to_mmengine(tmp_path):
    cfg = config(tmp_path)
    choose_resume(cfg, 'https://host/a.pth')
    assert cfg.resume is True
    assert cfg.load_from == 'https://host/a.pth'
    (tmp_path / 'last_checkpoint').write_text('s3://bucket/run/iter_2.pth')
    choose_resume(cfg)
    assert cfg.resume is True
    assert cfg.load_from is None

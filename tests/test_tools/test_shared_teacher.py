"""Trainings that share what the teacher gave end with the same student, bit for bit."""

import pytest
import torch
from support.repository import ICKD, TEACHER, data_options
from support.tools import load, succeed, train


@pytest.mark.slow
def test_the_student_is_the_same_with_an_empty_and_with_a_full_store(
    tmp_path, digits, teacher_file
):
    options = [
        *data_options(digits),
        f'model.teacher={TEACHER}',
        f'model.teacher_ckpt={teacher_file}',
        'train_cfg.max_iters=4',
        'train_cfg.val_interval=4',
    ]
    stored = f'model.teacher_run.store={tmp_path / "store"}'
    students = {}
    for name, extra in (('plain', []), ('fills', [stored]), ('reads', [stored])):
        done = train(ICKD, tmp_path / name, *options, *extra)
        succeed(done)
        students[name] = load(tmp_path / name / 'iter_4.pth')['state_dict']
        (log,) = (tmp_path / name).glob('*/*.log')
        text = log.read_text()
        assert (' 0 of 1 batches were read' in text) == (name == 'fills')
        assert (' 1 of 1 batches were read' in text) == (name == 'reads')
    assert len(list((tmp_path / 'store').iterdir())) == 4
    for name in ('fills', 'reads'):
        for key, value in students['plain'].items():
            assert torch.equal(students[name][key], value), (name, key)

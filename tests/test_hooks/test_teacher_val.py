"""The teacher's own scores: there, right, and without a trace in the student's run."""

import re

import pytest
import torch
from support.forking import train
from support.repository import ICKD, REPO, TEACHER
from support.tools import load, run_tool, scalars, succeed

from ickd_mm.hooks.teacher_val import chance, doubt, looks_like_chance
from ickd_mm.preflight.model_source import teacher_config


@pytest.mark.parametrize(
    ('classes', 'below', 'above'),
    [(2, 54.9, 55.1), (11, 13.6, 13.7), (21, 7.1, 7.2), (150, 0.9, 1.1)],
)
def test_where_chance_ends(classes, below, above):
    assert looks_like_chance(below, classes)
    assert not looks_like_chance(above, classes)
    assert looks_like_chance(float('nan'), classes)


@pytest.mark.parametrize(
    ('key', 'score', 'said'),
    [
        ('mIoU', 9.0, 'mIoU 9.00; always giving one answer scores up to 9.09 with 11 classes'),
        ('mIoU', 40.0, ''),
        ('coco/bbox_mAP', 0.004, 'coco/bbox_mAP 0.004; an untrained detector scores about 0'),
        (
            'pascal_voc/mAP',
            float('nan'),
            'pascal_voc/mAP nan; an untrained detector scores about 0',
        ),
        ('coco/bbox_mAP', 0.02, ''),
        ('coco/bbox_mAP_s', 0.0, ''),
    ],
)
def test_what_is_doubted(key, score, said):
    assert doubt(key, score, 11) == said


@pytest.mark.parametrize('classes', [2, 5, 11])
def test_one_answer_never_scores_more_than_chance(classes):
    """mIoU of constant answers on labels of any frequencies, by counting."""
    torch.manual_seed(classes)
    for _ in range(50):
        labels = torch.multinomial(torch.rand(classes) ** 4 + 1e-3, 500, replacement=True)
        for answer in range(classes):
            iou = torch.zeros(classes)
            iou[answer] = (labels == answer).float().mean()
            assert 100 * iou.mean() <= chance(classes) + 1e-4


def test_a_teacher_dict_is_scored_with_the_students_preprocessor(distiller_cfg):
    expected = distiller_cfg.teacher.pop('data_preprocessor')
    cfg, _ = teacher_config(distiller_cfg)
    assert cfg.data_preprocessor == expected == distiller_cfg.student.data_preprocessor


@pytest.fixture(scope='module')
def scored(distilled, tmp_path_factory):
    """The same run with and without the teacher's scores."""
    options, _ = distilled
    folder = tmp_path_factory.mktemp('scored')
    options = [*options, 'train_cfg.max_iters=3']
    done = succeed(train(ICKD, folder / 'with', *options, 'teacher_val=True'))
    succeed(train(ICKD, folder / 'without', *options, 'teacher_val=False'))
    return done.stdout, folder, options


@pytest.mark.slow
def test_the_scores_are_those_of_test_py(scored, teacher_file, tmp_path):
    text, _, options = scored
    args = (ICKD, '--teacher', '--work-dir', tmp_path, '--cfg-options', *options)
    done = succeed(run_tool(REPO / 'tools/test.py', *args, fresh=True))
    (expected,) = re.findall(r'mIoU: ([\d.]+)', done.stdout + done.stderr)[-1:]
    (first, *_) = re.findall(r'Teacher on the validation set: .*teacher/mIoU: ([\d.]+)', text)
    assert float(first) == float(expected)


@pytest.mark.slow
def test_they_are_logged_before_training_and_beside_the_students(scored):
    text, folder, _ = scored
    lines = scalars(folder / 'with')
    assert 'teacher/mIoU' in lines[0]
    assert lines[0]['step'] == 0
    (val,) = [s for s in lines if 'mIoU' in s]
    assert val['teacher/mIoU'] == pytest.approx(lines[0]['teacher/mIoU'])
    assert text.index('Teacher on the validation set') < text.index('Iter(train) [1/3]')
    assert not any('teacher/mIoU' in s for s in scalars(folder / 'without'))


@pytest.mark.slow
def test_a_teacher_that_guesses_is_noticed(scored):
    """The fixture's teacher has random weights."""
    text, _, _ = scored
    assert re.search(r'WARNING - The teacher scores mIoU [\d.]+; .* up to 9.09 with 11 cl', text)


@pytest.mark.slow
def test_the_students_run_is_the_same_bit_for_bit(scored):
    """Two runs of one seed end with the same weights; scoring the teacher leaves no trace."""
    _, folder, _ = scored
    ours, theirs = (load(folder / n / 'iter_3.pth') for n in ('with', 'without'))
    for part in ('state_dict', 'ickd_mm'):
        for key, value in theirs[part].items():
            assert torch.equal(ours[part][key], value), key
    ours, theirs = ([s['loss'] for s in scalars(folder / n) if 'loss' in s] for n in
                    ('with', 'without'))  # fmt: skip
    assert ours == theirs
    assert len(ours) == 3


@pytest.mark.slow
def test_a_resumed_run_keeps_the_scores(scored):
    _, folder, options = scored
    options = [*options[:-1], 'train_cfg.max_iters=4', 'train_cfg.val_interval=4']
    options += ['teacher_val=True', f'model.teacher={TEACHER}']
    done = succeed(train(ICKD, folder / 'with', *options, flags=['--resume'], name='again.txt'))
    assert 'Teacher on the validation set' not in done.stdout
    last = [s for s in scalars(folder / 'with') if 'mIoU' in s][-1]
    assert last['step'] == 4
    assert 'teacher/mIoU' in last

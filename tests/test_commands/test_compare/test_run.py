"""What is read from a run's log, and the time that a comparison still takes."""

import json

import pytest
from mmengine.config import Config

from ickd_mm.commands.compare.jobs import time_left
from ickd_mm.commands.compare.run import NoScore, Run, read_log


def log(folder, *lines, start='a', end=''):
    (folder / start / 'vis_data').mkdir(parents=True, exist_ok=True)
    text = '\n'.join([*map(json.dumps, lines), end])
    (folder / start / 'vis_data/scalars.json').write_text(text)


def test_a_later_start_replaces_what_it_repeats_and_the_last_validation_counts(tmp_path):
    first = dict(step=1, loss=1, time=9.0), dict(step=10, mIoU=5.0), dict(step=20, mIoU=6.0)
    log(tmp_path, *first, end='{"step": 25, "mI')  # killed while it wrote
    log(tmp_path, dict(step=11, loss=1, time=1.0), dict(step=20, mIoU=7.0, aAcc=1.0), start='b')
    result = read_log(tmp_path)
    assert result['curves'] == {'mIoU': [(10, 5.0), (20, 7.0)], 'aAcc': [(20, 1.0)]}
    assert result['step_seconds'] == 5.0
    assert result['iterations'] == 20


def test_scores_without_steps_and_scores_at_step_0(tmp_path):
    """Shorter than the log interval; and logged by epochs where there are none."""
    log(tmp_path, dict(step=5, mIoU=6.0))
    result = read_log(tmp_path)
    assert result['iterations'] == 5
    assert result['step_seconds'] != result['step_seconds']
    log(tmp_path, dict(step=40, loss=1, time=0.5), dict(step=0, mIoU=5.0), dict(step=0, mIoU=6.0))
    assert read_log(tmp_path)['curves'] == {'mIoU': [(40, 6.0)]}


def test_the_score_that_is_asked_for_or_an_error_with_those_that_are_there(tmp_path):
    def row(*metrics):
        run = Run(Config(), tmp_path, '', {}, **({'metrics': metrics} if metrics else {}))
        return run._row(read_log(tmp_path))

    with pytest.raises(NoScore, match=r'no score mIoU or accuracy/top1; .*logged nothing$'):
        row()
    log(tmp_path, dict(step=5, loss=1, time=9.0), dict(step=5, mDice=6.0, aAcc=8.0, data_time=1.0))
    with pytest.raises(NoScore, match=r'mIoU or .*logged aAcc, mDice; name one with --metric'):
        row()
    assert (row('mDice')['score'], row('mDice')['metric']) == (6.0, 'mDice')


def test_progress_in_iterations_and_in_whole_epochs(tmp_path):
    def run(**loop):
        return Run(Config(dict(train_cfg=loop)), tmp_path, '').progress()

    assert run(max_iters=450) == (0, 450)
    log(tmp_path, dict(step=100, epoch=2, loss=1), dict(step=150, epoch=3, loss=1), dict(step=3))
    assert run(max_iters=450) == (150, 450)
    assert run(max_epochs=10) == (2, 10)


def test_time_left():
    unknown = 'time left: not known yet'
    assert time_left([], [], 70, jobs=2) == time_left([90.0], [(5.0, 0.0)], 0, jobs=2) == unknown
    # 140 s of 100 + 40 in two running runs and two more of (100 + 200 + 60) / 3 = 120 s each
    assert time_left([100.0], [(100.0, 0.5), (20.0, 1 / 3)], 2, jobs=2) == '0:03:10 left'
    # no queue shortens the run that takes longest
    assert time_left([], [(90.0, 0.9), (90.0, 0.3)], 0, jobs=2) == '0:03:30 left'
    assert time_left([60.0], [], 0, jobs=2) == '0:00:00 left'

"""The time left, on a clock that the test sets."""

import pytest
from rich.progress import Progress

from ickd_mm.experiments.time_left import TimeLeftColumn


@pytest.fixture
def bar():
    clock = [0.0]
    column = TimeLeftColumn(jobs=2)
    progress = Progress(column, get_time=lambda: clock[0])
    progress.add_task('', total=75, completed=5, seconds=[], last=0.0)
    return clock, column, progress


def shown(bar):
    _, column, progress = bar
    return column.render(progress.tasks[0]).plain


def test_unknown_until_a_run_ends_however_many_were_finished_before(bar):
    bar[0][0] = 100.0
    assert shown(bar) == 'time left: after the first run'


def test_runs_to_go_by_runs_at_a_time_and_it_counts_down(bar):
    clock, _, progress = bar
    for end, seconds in ((100.0, 100.0), (120.0, 120.0)):
        progress.tasks[0].fields['seconds'].append(seconds)
        clock[0] = end
        progress.update(0, advance=1, last=end)
    # 68 to go, two at a time, of 110 s each
    assert shown(bar) == '1:02:20 left'
    clock[0] += 50
    assert shown(bar) == '1:01:30 left'
    clock[0] += 1e6
    assert shown(bar) == '0:00:00 left'


def test_the_last_one_runs_alone_and_the_end_is_the_end(bar):
    clock, _, progress = bar
    progress.tasks[0].fields['seconds'].append(60.0)
    progress.update(0, completed=74)
    assert shown(bar) == '0:01:00 left'
    progress.update(0, completed=75)
    assert shown(bar) == '0:00:00 left'

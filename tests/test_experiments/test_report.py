"""What a table says beside the statistics that test_grid checks."""

import csv
import io
import json

import pytest
from rich.console import Console

from ickd_mm.experiments.grid import Cell
from ickd_mm.experiments.report import as_table, summarize, write, write_runs
from ickd_mm.experiments.run import Result


def runs(*scores):
    return {seed: Result('mIoU', s, 9.0, 0.5, [(7, s)]) for seed, s in enumerate(scores)}


RESULTS = {'student': runs(40.0, 44.0), 'kd': runs(43.0, 45.0), 'bad': runs(39.0, 43.0)}
CELLS = [Cell(name, (), {}) for name in RESULTS]


def test_share_of_the_gap():
    student, kd, bad = summarize(CELLS, RESULTS, teacher=50.0)
    # The student's mean is 42: eight points below the teacher.
    assert student.share is None
    assert kd.share == pytest.approx(100 * 2 / 8) and bad.share == pytest.approx(-100 / 8)


@pytest.mark.parametrize('teacher', [None, 42.0, 30.0])
def test_no_share_without_a_better_teacher(teacher):
    assert [line.share for line in summarize(CELLS, RESULTS, teacher)] == [None, None, None]


def test_share_is_of_the_reference_with_the_same_values():
    cells = [Cell(c, (('n', v),), {}) for c in ('student', 'kd') for v in ('1', '2')]
    results = dict(zip((c.name for c in cells), map(runs, (20.0, 40.0, 30.0, 45.0))))
    shares = [line.share for line in summarize(cells, results, teacher=60.0)]
    assert shares == [None, None, 25.0, 25.0]


def test_files_and_table_show_it(tmp_path):
    lines = summarize(CELLS, RESULTS, teacher=50.0)
    write(lines, 'mIoU', tmp_path, 50.0)
    table = json.loads((tmp_path / 'table.json').read_text())
    assert table['teacher'] == 50.0 and table['lines'][1]['share'] == 25.0
    rows = list(csv.DictReader(io.StringIO((tmp_path / 'table.csv').read_text())))
    assert [row['share'] for row in rows] == ['', '25.0', '-12.5']
    markdown = (tmp_path / 'table.md').read_text(encoding='utf-8').splitlines()
    assert markdown[:5] == [
        'mIoU, mean ± sd; seeds 0, 1; gain over student; teacher 50.0',
        '',
        '| run | mIoU | gain (95 %) | of the gap | s / step | s / run |',
        '|---|--:|--:|--:|--:|--:|'.replace('|', ' | ').strip(),
        '| kd | **44.0 ± 1.4** | +2.0 ± 12.7 | 25 % | 0.500 | 9 |',
    ]
    assert [row.split()[1] for row in markdown[4:]] == ['kd', 'student', 'bad']
    text = io.StringIO()
    Console(file=text, width=120).print(as_table(lines, 'mIoU', 50.0))
    assert 'teacher 50.0' in text.getvalue() and '25 %' in text.getvalue()
    text = io.StringIO()
    Console(file=text, width=120).print(as_table(lines, 'mIoU'))
    assert 'of the gap' not in text.getvalue() and '44.0 ± 1.4' in text.getvalue()


def test_every_two_lines_are_compared_seed_by_seed(tmp_path):
    results = {**RESULTS, 'half': runs(50.0)}
    cells = [*CELLS, Cell('half', (), {})]
    write(summarize(cells, results), 'mIoU', tmp_path)
    rows = list(csv.reader(io.StringIO((tmp_path / 'differences.csv').read_text())))
    assert rows[0] == ['run', 'better than', 'by', 'interval', 'seeds'] and len(rows) == 7
    assert rows[1] == ['half', 'kd', '7.00', '', '1']
    # kd - student: 3 and 1; t(0.975, 1) = 12.706
    assert ['kd', 'student', '2.00', '12.71', '2'] in rows
    assert ['student', 'bad', '1.00', '0.00', '2'] in rows


def test_without_a_reference_there_is_no_gain(tmp_path):
    results = {'student': {}, 'kd': runs(43.0), 'bad': runs(39.0)}
    kd, bad = summarize(CELLS, results, teacher=50.0)
    assert kd.gain != kd.gain and bad.gain != bad.gain and bad.share is None
    assert bad.reference == 'student'
    cells = [Cell(c, (('n', v),), {}) for c in ('student', 'kd') for v in '12']
    results = {'student n=1': runs(40.0), 'student n=2': {}, 'kd n=1': {}, 'kd n=2': runs(45.0)}
    _, alone = lines = summarize(cells, results)
    assert alone.name == 'kd n=2' and alone.gain != alone.gain
    write(lines, 'mIoU', tmp_path)
    assert 'nan' not in (tmp_path / 'table.md').read_text()


def test_lines_with_fewer_seeds_say_so_and_one_seed_has_no_spread(tmp_path):
    lines = summarize(CELLS[:2], {'student': runs(40.0), 'kd': runs(43.0, 45.0)}, teacher=50.0)
    write(lines, 'mIoU', tmp_path, 50.0)
    markdown = (tmp_path / 'table.md').read_text(encoding='utf-8').splitlines()
    assert markdown[0].startswith('mIoU, mean ± sd; seeds 0, 1; gain over student')
    assert markdown[4].startswith('| kd | **44.0 ± 1.4** | +3.0 | 30 % |')
    assert markdown[5].startswith('| student (1 of 2 seeds) | 40.0 |  |  |')
    text = io.StringIO()
    Console(file=text, width=120).print(as_table(lines, '[b]mIoU'))
    assert '[b]mIoU, mean ± sd over 2 seeds; gain over student' in text.getvalue()


def test_the_better_of_two_lines_is_so_over_their_common_seeds(tmp_path):
    results = {'student': runs(40.0, 60.0), 'kd': runs(43.0)}
    write(summarize(CELLS[:2], results), 'mIoU', tmp_path)
    rows = list(csv.reader(io.StringIO((tmp_path / 'differences.csv').read_text())))
    assert rows[1] == ['kd', 'student', '3.00', '', '1']


def test_all_finished_runs_of_a_folder_are_one_file(tmp_path):
    for name, options, curve in (
        ('kd__w=1,(2,3)__seed=0', {'a.w': '1', 'b': '(2,3)', 'randomness.seed': 0}, [[5, 1.0]]),
        ('my__cfg__a.w=1__seed=0', {'a.w': '1', 'randomness.seed': 0}, [[5, 4.0]]),
        ('student__seed=1', {'randomness.seed': 1}, [[5, 2.0], [9, 3.456]]),
        ('student__seed=1.1.before', {'randomness.seed': 1}, [[5, 9.0]]),
    ):
        (tmp_path / name).mkdir()
        result = {'curve': curve, 'run': {'options': options, 'config': name[:2]}}
        (tmp_path / name / 'result.json').write_text(json.dumps(result))
    write_runs(tmp_path)
    rows = list(csv.reader(io.StringIO((tmp_path / 'runs.csv').read_text())))
    assert rows[1][5] != rows[3][5] and rows == [
        ['config', 'varied', 'seed', 'at', 'score', 'state'],
        ['kd', 'a.w,b=1:(2,3)', '0', '5', '1.00', rows[1][5]],
        ['my__cfg', 'a.w=1', '0', '5', '4.00', rows[2][5]],
        ['student', '', '1', '5', '2.00', rows[3][5]],
        ['student', '', '1', '9', '3.46', rows[3][5]],
    ]


def test_seconds_of_a_run_that_counts_epochs():
    result = Result('accuracy/top1', 50.0, 9.0, 0.5, [(1, 40.0), (2, 50.0)], iterations=200)
    (line,) = summarize(CELLS[:1], {'student': {0: result}}, pace={'student': 0.25})
    assert line.seconds == 50.0
    (line,) = summarize(CELLS[:1], {'student': {0: runs(1.0)[0]}}, pace={'student': 0.25})
    assert line.seconds == 7 * 0.25

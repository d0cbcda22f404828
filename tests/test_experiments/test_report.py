"""What a table says beside the statistics that test_grid checks."""

import csv
import io
import json

import pytest
from rich.console import Console

from ickd_mm.experiments.grid import Cell
from ickd_mm.experiments.report import as_table, summarize, write
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

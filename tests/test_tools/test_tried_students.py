"""The script behind the table of tried architectures works, and the page shows what it knows."""

import pytest
from support.repository import REPO, table_rows
from support.try_students import STUDENTS, try_student


@pytest.mark.slow
@pytest.mark.parametrize('name', ['DPT', 'Fast-SCNN', 'PIDNet-S'])
def test_a_student_trains_and_plain_mmseg_loads_it(name, scope, digits, tmp_path):
    """A tuple in a tuple; a plain convolutional one; one whose backbone differs in training."""
    assert try_student(name, digits, tmp_path / 'run').startswith('trains')


def test_the_page_has_every_student_that_the_script_tries():
    rows = {row[0]: row[1:] for row in table_rows(REPO / 'docs/own_model.md') if len(row) == 4}
    for name, student in STUDENTS.items():
        tap, teacher, result = rows[name]
        assert (tap, teacher) == (f'`{student.tap}`', student.teacher or 'PSPNet R18')
        assert result.startswith('trains') or 'compiled' in result

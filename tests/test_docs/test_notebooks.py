"""The notebooks hold the outputs of one whole run; ``make notebooks`` executes them."""

import json
import re

import pytest
from support.repository import REPO

NOTEBOOKS = sorted(REPO.glob('docs/notebooks/*.ipynb'))


@pytest.mark.parametrize('file', NOTEBOOKS, ids=lambda file: file.stem)
def test_outputs_are_of_one_whole_run(file):
    cells = json.loads(file.read_text(encoding='utf-8'))['cells']
    code = [cell for cell in cells if cell['cell_type'] == 'code']
    assert [cell['execution_count'] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell['outputs']]
    assert not [output for output in outputs if output['output_type'] == 'error']
    shown = ''.join(''.join(output.get('text', '')) for output in outputs)
    assert not re.search(r'(^|[\s\'"])/\w+/', shown), 'a path of the machine'
    assert 'Error' not in shown


def test_the_scores_are_of_the_length_that_the_notebook_has():
    text = (REPO / 'docs/notebooks/digits.ipynb').read_text(encoding='utf-8')
    length = re.search(r"'ICKD_ITERATIONS', (\d+)\)", text).group(1)
    assert f' mIoU after {length} iterations' in text

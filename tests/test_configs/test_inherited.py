"""The wheel's configs, inherited by name in an empty folder, are whole configs there."""

import json

import pytest
from support.recipes import FILES, name

pytestmark = pytest.mark.slow

NAMES = [f'{name(file)}.py' for file in FILES]


@pytest.fixture(scope='session')
def problems(run):
    return json.loads((run('walk_inherited.py') / 'problems.json').read_text())


@pytest.mark.parametrize('config', NAMES)
def test_every_part_of_a_runner_is_built(problems, config):
    assert problems[config] == ''

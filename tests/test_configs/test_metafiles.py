"""Each config has one row in its folder's metafile, and mmengine's hub finds it there."""

import pytest
import yaml
from mmengine.hub import get_config
from recipes import FILES, ROOT, name, recipe
from support import REPO

import ickd_mm  # noqa: F401

UNMEASURED = 'not yet measured'
INDEX = yaml.safe_load((REPO / 'model-index.yml').read_text())['Import']


def rows():
    files = [yaml.safe_load((REPO / path).read_text()) for path in INDEX]
    return [
        (row, {c['Name'] for c in file['Collections']}) for file in files for row in file['Models']
    ]


ROWS = [row for row, _ in rows()]


def test_every_config_has_one_row_and_every_row_its_config():
    listed = [row['Config'] for row in ROWS]
    assert sorted(listed) == sorted(file.relative_to(REPO).as_posix() for file in FILES)


def test_names_are_unique():
    names = [row['Name'] for row in ROWS]
    assert len(names) == len(set(names))


def test_every_metafile_is_in_the_index():
    found = sorted(file.relative_to(REPO).as_posix() for file in ROOT.rglob('metafile.yml'))
    assert sorted(INDEX) == found


@pytest.mark.parametrize('row, collections', rows(), ids=lambda value: str(value)[:60])
def test_a_row_says_what_is_needed(row, collections):
    assert row['In Collection'] in collections
    assert row['Name'].endswith(row['Config'].rsplit('/', 1)[1].removesuffix('.py'))
    metadata = row['Metadata']
    assert all(metadata[key] for key in ('Teacher', 'Student', 'Training Data'))
    (result,) = row['Results']
    assert result['Task'] and result['Dataset']
    ((metric, ours),) = result['Metrics'].items()
    assert ours == UNMEASURED or 0 < ours < 100
    if row['Reported'] != 'none':
        assert 0 < row['Reported'][metric] < 100 and row['Reported']['Source']


@pytest.mark.parametrize('row', ROWS, ids=lambda row: row['Name'])
def test_a_row_has_a_teacher_if_its_config_distils(row):
    cfg = recipe(row['Config'].removeprefix('configs/').removesuffix('.py'))
    assert ('teacher' in cfg.model) == (row['Metadata']['Teacher'] != 'none')


@pytest.mark.parametrize('file', FILES[:3], ids=name)
def test_the_hub_finds_a_config_by_its_row(file):
    found = get_config(f'ickd_mm::{name(file)}.py')
    assert found.model.type == recipe(name(file)).model.type

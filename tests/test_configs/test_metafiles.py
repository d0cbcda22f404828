"""Each config has one row in its folder's metafile, and mmengine's hub finds it there."""

import pytest
import yaml
from mmengine.hub import get_config
from support.recipes import BY_NAME, EVERY, FILES, ROOT, name, recipe
from support.repository import REPO

import ickd_mm  # noqa: F401

INDEX = yaml.safe_load((REPO / 'model-index.yml').read_text())['Import']
METAFILES = {path: yaml.safe_load((REPO / path).read_text()) for path in INDEX}
ROWS = [row for metafile in METAFILES.values() for row in metafile['Models']]
READABLE = [row for row in ROWS if BY_NAME.get(row['Name']) in [None, *FILES]]


def test_every_config_has_one_row_and_every_row_its_config():
    listed = [row['Config'] for row in ROWS]
    assert sorted(listed) == sorted(file.relative_to(REPO).as_posix() for file in EVERY)


def test_every_metafile_is_in_the_index():
    found = sorted(file.relative_to(REPO).as_posix() for file in ROOT.rglob('metafile.yml'))
    assert sorted(INDEX) == found


@pytest.mark.parametrize('path', INDEX)
def test_collections(path):
    names = {collection['Name'] for collection in METAFILES[path]['Collections']}
    assert {row['In Collection'] for row in METAFILES[path]['Models']} == names
    for collection in METAFILES[path]['Collections']:
        assert (REPO / collection['README']).is_file()


@pytest.mark.parametrize('row', READABLE, ids=lambda row: row['Name'])
def test_a_row_has_the_standard_fields_as_its_config_has_them(row):
    assert REPO / row['Config'] == BY_NAME[row['Name']]
    assert set(row) <= {
        'Name', 'In Collection', 'Config', 'Metadata', 'Results', 'Weights', 'Training Log',
    }  # fmt: skip
    cfg, metadata = recipe(row['Name']), row['Metadata']
    assert metadata['Architecture']
    assert metadata['Training Data']
    assert metadata['Batch Size'] == cfg.train_dataloader.batch_size
    length = {'Iterations': 'max_iters', 'Epochs': 'max_epochs'}
    ((key, value),) = {k: v for k, v in metadata.items() if k in length}.items()
    assert value == cfg.train_cfg[length[key]]
    assert ('teacher' in cfg.model) == ('Teacher' in metadata)


MEASURED = [(row, result) for row in ROWS for result in row.get('Results', ())]


@pytest.mark.parametrize(('row', 'result'), MEASURED, ids=lambda x: x.get('Name', ''))
def test_results_are_numbers_that_the_readme_has(row, result):
    assert result['Task']
    assert result['Dataset']
    assert result['Metrics']
    readme = (REPO / row['Config']).with_name('README.md').read_text(encoding='utf-8')
    (line,) = (line for line in readme.splitlines() if f']({row["Name"]}.py)' in line)
    for value in result['Metrics'].values():
        assert type(value) in (int, float)
        assert 0 < value < 100
        assert f' {value} ' in line


def test_only_digits_and_clothes_were_measured():
    """A figure that somebody else reports is no result of a config here."""
    named = {row['Name'] for row, _ in MEASURED}
    assert named
    assert all(name.endswith(('_digits', '_fashionmnist')) for name in named)


@pytest.mark.parametrize('file', FILES[:3], ids=name)
def test_the_hub_finds_a_config_by_its_row(file):
    found = get_config(f'ickd_mm::{name(file)}.py')
    assert found.model.type == recipe(file).model.type

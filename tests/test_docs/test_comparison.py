"""The tables of docs/comparison.md say what the kept results and the metafile say."""

import csv
import re
import statistics

import pytest
import yaml
from support.repository import REPO

DOCS = REPO / 'docs'
ROW = re.compile(r'^\| (\w+) \| \**([\d.]+) ± ([\d.]+)\** \| (?:([+-][\d.]+) ± ([\d.]+))? \|', re.M)

NETWORKS = {'segmentation': 'pspnet', 'classification': 'resnet'}


def config_of(method, task):
    """Name of the config that a line of the tables is about."""
    return f'{"alone" if method == "student" else method}_{NETWORKS[task]}_digits'


def kept(task):
    with open(DOCS / f'comparison/{task}.csv', newline='') as file:
        return {row['name']: row for row in csv.DictReader(file)}


def shown(task):
    section = re.split(r'^## ', (DOCS / 'comparison.md').read_text(encoding='utf-8'), flags=re.M)
    (text,) = [part for part in section if part.startswith(task.capitalize() + ', ')]
    return {name: numbers for name, *numbers in ROW.findall(text)}


@pytest.mark.parametrize('task', ['segmentation', 'classification'])
def test_the_table_is_the_kept_result(task):
    rows, table = kept(task), shown(task)
    assert set(rows) == set(table)
    for name, (mean, sd, gain, interval) in table.items():
        row = rows[name]
        scores = yaml.safe_load(row['scores'])
        assert len(scores) == 5
        assert float(row['mean']) == pytest.approx(sum(scores) / 5, abs=1e-6)
        assert [mean, sd] == [f'{float(row[key]):.1f}' for key in ('mean', 'sd')]
        if name != 'student':
            assert float(gain) == pytest.approx(float(row['gain']), abs=0.0501)
            assert float(interval) == pytest.approx(float(row['interval']), abs=0.0501)


@pytest.mark.parametrize('task', ['segmentation', 'classification'])
def test_the_metafile_has_the_same_means(task):
    rows = yaml.safe_load((REPO / 'configs/comparison/metafile.yml').read_text())['Models']
    measured = {row['Name']: row['Results'][0]['Metrics'] for row in rows if 'Results' in row}
    means = {config_of(name, task): float(row['mean']) for name, row in kept(task).items()}
    assert means.keys() == {name for name in measured if f'_{NETWORKS[task]}_' in name}
    for name, mean in means.items():
        assert list(measured[name].values()) == [round(mean, 1)]


LONG = {
    'ICKD-S beside FitNet': 'ickd_s_fitnet',
    'FitNet': 'fitnet',
    'ICKD-S': 'ickd_s',
    'student alone': 'student',
}


def test_the_long_schedule_is_its_kept_runs():
    scores = {name: {} for name in LONG.values()}
    with open(DOCS / 'comparison/segmentation_long_runs.csv', newline='') as file:
        for row in csv.DictReader(file):
            if row['at'] == '1800':
                scores[row['config']][row['seed']] = float(row['score'])
    text = (DOCS / 'comparison.md').read_text(encoding='utf-8')
    for label, name in LONG.items():
        pattern = rf'^\| {label} \| \**([\d.]+) ± ([\d.]+)\** \|(?: ([+][\d.]+) ± [\d.]+)? \|'
        mean, sd, gain = re.search(pattern, text, re.M).groups()
        values, alone = scores[name], scores['student']
        assert len(values) == 5
        assert float(mean) == pytest.approx(statistics.mean(values.values()), abs=0.0501)
        assert float(sd) == pytest.approx(statistics.stdev(values.values()), abs=0.0501)
        if gain:
            differences = [values[seed] - alone[seed] for seed in alone]
            assert float(gain) == pytest.approx(statistics.mean(differences), abs=0.0501)


def test_the_centred_table_is_its_kept_runs():
    scores = {}
    with open(DOCS / 'comparison/segmentation_centred_runs.csv', newline='') as file:
        for row in csv.DictReader(file):
            if row['at'] == '450' and row['config'] == 'ickd_s':
                values = re.sub(r'.*=', '', row['varied']) or 'False'
                scores.setdefault(values, {})[int(row['seed'])] = float(row['score'])
    text = (DOCS / 'comparison.md').read_text(encoding='utf-8')
    pattern = (
        r'^\| (as released|`[^`]*True`), weight (\d+) \| (10, 11|0 to 4) \| \**([\d.]+) ± ([\d.]+)'
    )
    rows = re.findall(pattern, text, re.M)
    assert len(rows) == 8
    for form, weight, seeds, mean, sd in rows:
        key = form.count('True') * 'True:' + f'{weight}.0' * ('True' in form)
        kept = scores.get(key) or scores['True' if 'True' in form else 'False']
        kept = [kept[seed] for seed in ((10, 11) if ',' in seeds else range(5))]
        assert float(mean) == pytest.approx(statistics.mean(kept), abs=0.0501)
        assert float(sd) == pytest.approx(statistics.stdev(kept), abs=0.0501)

"""The figures of docs/comparison.md, README and the folders' READMEs are those of the kept runs."""

import itertools
import json
import re
import runpy
import statistics
import sys

import pytest
import yaml
from support.repository import REPO

from ickd_mm.commands.compare.digest import digest_of
from ickd_mm.commands.compare.grid import resolve

PAGE = (REPO / 'docs/comparison.md').read_text(encoding='utf-8')
SCRIPT = REPO / 'docs/comparison/tables.py'
LOSS = 'model.pairs.loss_icc.loss'
PSPNET, RESNET = 'pspnet_digits.py', 'resnet_digits.py'
CROSS, CROSSED = 'ickd_s_cross', 'ickd_s center=True cross=True loss_weight'
NETWORKS = {'segmentation': ('pspnet', 450), 'classification': ('resnet', 900)}
NAMES = {'alone': 'resnet8_fashionmnist', 'ickd_c_cross': 'resnet32_resnet8_fashionmnist'}


@pytest.fixture(scope='module')
def tables():
    """The names that the script defines."""
    return runpy.run_path(str(SCRIPT))


@pytest.fixture(scope='module')
def scores(tables):
    """task -> name -> seed -> final score, of the runs with seeds 0 to 4."""
    found = {}
    for task, (_, end) in NETWORKS.items():
        runs = tables['runs_of'](tables['read'](f'{task}_runs'), end)
        kept = {}
        for run in runs.itertuples():
            kept.setdefault(run.name, {})[run.seed] = run.score
        found[task] = {name: part for name, part in kept.items() if len(part) == 5}
    return found


def text(values, digits=1):
    """Mean and standard deviation as the pages have them."""
    return f'{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}'


def test_the_page_has_the_tables_that_the_script_prints(tables, capsys, monkeypatch):
    monkeypatch.setattr(sys, 'argv', [str(SCRIPT)])
    tables['main']()
    printed = re.findall(r'^\| run .*\n(?:\|.*\n)+', capsys.readouterr().out, re.M)
    assert len(printed) == 5
    for table in printed:
        assert table in PAGE, table


def test_the_differences_are_the_ones_printed(tables, capsys, monkeypatch):
    monkeypatch.setattr(sys, 'argv', [str(SCRIPT)])
    tables['main']()
    out = capsys.readouterr().out
    for one, other, shown in (
        ('fitnet', CROSS, '1.2 ± 0.5'),
        ('fitnet', 'ickd_s center=True', '1.6 ± 0.8'),
        ('fitnet', 'ickd_s', '10.0 ± 3.1'),
        ('fitnet', 'ickd_s_fitnet', '0.3 ± 0.7'),
        (CROSS, 'vid', '2.7 ± 0.8'),
        ('ickd_s center=True', 'vid', '2.4 ± 0.9'),
        ('ickd_s center=True', 'ickd_s', '8.4 ± 3.0'),
        (CROSS, 'ickd_s center=True', '0.3 ± 0.7'),
        ('ickd_s center=True', 'alone max_iters=1100 lr=0.05', '1.7 ± 1.0'),
        ('fitnet', 'ickd_c center=True loss_weight=40.0', '0.9 ± 1.2'),
        ('ickd_c center=True loss_weight=40.0', 'ickd_c', '1.4 ± 2.1'),
        ('kd', 'alone', '0.74 ± 0.29'),
        ('kd', 'ickd_c', '0.44 ± 0.32'),
        ('kd', 'ickd_c_kd', '0.01 ± 0.15'),
        ('fitnet', 'alone', '0.20 ± 0.10'),
        ('ickd_c', 'alone', '0.30 ± 0.60'),
    ):
        assert f'{one} - {other}: {shown}\n' in out
        assert shown in PAGE
    long = out.split('| run | iterations')[0].rpartition('| run |')[2]
    for other, shown in (('ickd_s center=True', '0.3 ± 0.4'), ('alone', '2.5 ± 1.0')):
        assert f'fitnet - {other}: {shown}\n' in long
        assert shown in PAGE
    figure = r'\d+\.\d+\s±\s\d+\.\d+'
    shown = re.findall(figure, PAGE.split('## As others measured it')[0])
    assert {' '.join(text.split()) for text in shown} <= set(re.findall(figure, out))


@pytest.mark.parametrize('task', NETWORKS)
def test_metafile_and_readme_have_the_same_means(task, scores):
    rows = yaml.safe_load((REPO / 'configs/comparison/metafile.yml').read_text())['Models']
    readme = (REPO / 'configs/comparison/README.md').read_text(encoding='utf-8')
    measured = {row['Name']: row['Results'][0]['Metrics'] for row in rows if 'Results' in row}
    runs = {name: values for name, values in scores[task].items() if ' ' not in name}
    names = {name: f'{name}_{NETWORKS[task][0]}_digits' for name in runs}
    assert set(names.values()) == {n for n in measured if f'_{NETWORKS[task][0]}_' in n}
    for name, values in runs.items():
        assert list(measured[names[name]].values()) == [
            pytest.approx(statistics.mean(values.values()), abs=0.051)
        ]
        assert f'[config]({names[name]}.py) | {text(values.values())} |' in readme


@pytest.mark.parametrize(
    ('task', 'name', 'pages'),
    [
        ('segmentation', 'ickd_s center=True', ['README.md']),
        ('classification', 'ickd_c center=True loss_weight=40.0', []),
    ],
)
def test_the_two_forms_of_the_demo(scores, task, name, pages):
    alone, distilled = (text(scores[task][run].values()) for run in ('alone', name))
    for page in ('docs/demo.md', 'configs/ickd/README.md', *pages):
        shown = (REPO / page).read_text(encoding='utf-8')
        assert alone in shown, page
        assert distilled in shown, page


def test_the_gain_of_the_demo_on_two_machines(tables):
    page = (REPO / 'docs/demo.md').read_text(encoding='utf-8')
    for file, distilled in (
        ('segmentation_runs', 'ickd_s center=True'),
        ('demo_runs', PSPNET[:-3]),
    ):
        runs = tables['runs_of'](tables['read'](file), 450)
        scores = runs.pivot(index='seed', columns='name', values='score').loc[:2]
        assert f'{(scores[distilled] - scores.alone).mean():.1f}' in page, file
    for name in ('alone', distilled):
        assert f'{scores[name][0]:.1f}' in page


@pytest.mark.parametrize(
    ('config', 'run', 'options'),
    [
        (f'comparison/ickd_s_cross_{PSPNET}', f'ickd_s_{PSPNET}', 'center cross loss_weight=10.0'),
        (f'comparison/ickd_s_cross_{RESNET}', f'ickd_s_{RESNET}', 'center cross loss_weight=2.5'),
        (f'ickd/{RESNET}', f'ickd_c_{RESNET}', 'center loss_weight=40.0'),
        ('baselines/pspnet_student_digits.py', f'alone_{PSPNET}', ''),
        ('baselines/resnet_student_digits.py', f'alone_{RESNET}', ''),
    ],
)
def test_the_config_is_what_the_kept_runs_were(config, run, options):
    pairs = (option.partition('=') for option in options.split())
    varied = tuple((f'{LOSS}.{key}', value or 'True') for key, _, value in pairs)
    kept = resolve(str(REPO / 'configs/comparison' / run), varied)
    assert digest_of(resolve(str(REPO / 'configs' / config))) == digest_of(kept)


def test_the_variants_are_means_of_two_seeds(tables, capsys):
    tables['variants'](('segmentation_sweep', 'prototypes'))
    means = dict(re.findall(r'^\| ([^|]+) \| ([\d.]+) \|$', capsys.readouterr().out, re.M))
    rows = dict(re.findall(r'^\| ([^|]+) \| ([\d.,; ]+) \|$', PAGE, re.M))
    weight = 'ickd_s center=True loss_weight={}.0'
    ending = 'center=True cross=True loss_weight=10.0'
    for row, names in {
        '**centred in each cell**: weight 2, 5, 10, 20': [
            weight.format(2),
            weight.format(5),
            weight.format(10),
            weight.format(20),
        ],
        'centred over the image, over the batch (prototype)': [
            'prototype center=image',
            'prototype center=batch',
        ],
        'centred, one cell; 4×4; 1, 2×2 and 4×4 in one loss (prototype)': [
            'prototype grids=[1]',
            'prototype grids=[4]',
            'prototype grids=[1,2,4]',
        ],
        'centred, ReLU or two layers in the connector (prototype)': [
            'prototype relu=True',
            'prototype layers=2',
        ],
        'centred, orthogonal connector (prototype)': ['prototype ortho=True'],
        "not centred, the connector's bias at 1 (prototype)": ['prototype bias=1.0 center=none'],
        '**centred and cross**: weight 10, 40': [f'{CROSSED}=10.0', f'{CROSSED}=40.0'],
        'the same (prototype): weight 2, 5, 10, 20': [
            'prototype kind=cross loss_weight=2.0',
            'prototype kind=cross',
            'prototype kind=cross loss_weight=10.0',
            'prototype kind=cross loss_weight=20.0',
        ],
        'the same with a ReLU; mean of both forms (prototype)': [
            'prototype kind=cross relu=True',
            'prototype kind=both',
        ],
        'FitNet': ['fitnet'],
        'centred: rate 0.03, 0.05, 0.08, 0.12': [
            'ickd_s lr=0.03 center=True',
            weight.format(5),
            'ickd_s lr=0.08 center=True',
            'ickd_s lr=0.12 center=True',
        ],
        'centred and cross: rate 0.03, 0.05, 0.08, 0.12': [
            f'ickd_s lr=0.03 {ending}',
            f'{CROSSED}=10.0',
            f'ickd_s lr=0.08 {ending}',
            f'ickd_s lr=0.12 {ending}',
        ],
        'FitNet: rate 0.03, 0.05, 0.08, 0.12': [
            'fitnet lr=0.03',
            'fitnet',
            'fitnet lr=0.08',
            'fitnet lr=0.12',
        ],
        'centred and cross before the ReLU: `backbone.layer4.1.bn2`, `decode_head.bottleneck.bn`': [
            f'ickd_s_cross student={tap} teacher={tap}'
            for tap in ('backbone.layer4.1.bn2', 'decode_head.bottleneck.bn')
        ],
    }.items():
        assert re.findall(r'[\d.]+', rows[row]) == [means[name] for name in names], row


def test_the_shipped_logs_are_those_of_the_kept_runs_and_the_pages_have_both(tables):
    kept = tables['read']('fashionmnist_runs')
    kept = kept[kept['at'] == 10].groupby('name').score
    runs = {NAMES.get(name, f'{name}_resnet8_fashionmnist'): list(part) for name, part in kept}
    logs = sorted(REPO.glob('weights/logs/*.json'))
    assert {log.stem for log in logs} == {'resnet32_fashionmnist', *runs}
    for log in logs:
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        scores = [line['accuracy/top1'] for line in lines if 'accuracy/top1' in line]
        assert len(scores) == 10
        (config,) = REPO.glob(f'configs/*/{log.stem}.py')
        mean = f'{scores[-1]:.2f}'
        if log.stem in runs:
            assert len(runs[log.stem]) == 3
            assert scores[-1] == pytest.approx(runs[log.stem][0], abs=0.006)
            mean = text(runs[log.stem], 2)
        pages = {
            REPO / 'weights/README.md': f'{scores[-1]:.2f}',
            config.with_name('README.md'): mean,
        }
        for page, score in pages.items():
            (row,) = re.findall(rf'^\|.*\[{log.stem}\]\(.*$', page.read_text('utf-8'), re.M)
            assert f' {score} ' in row, page
            assert f'{log.stem}.json' in row
        size = (REPO / f'weights/{log.stem}.safetensors').stat().st_size
        assert size < (2e6 if 'resnet32_fashionmnist' in log.stem else 4e5)


# A method's name in a table of docs/sweeps.md -> its runs, where that is not its name in small
# letters and the weight. ``ickd_s`` had FitNet beside it before there was a config for both.
BESIDE = 'student={0} teacher={0} type=ickd_mm.ConvConnector type=ickd_mm.MSELoss loss_weight=10'
SWEPT = {
    'student alone, rate': ['alone lr={}'],
    '1,100 iterations, rate': ['alone max_iters=1100 lr={}'],
    '1,800 iterations, rate': ['alone max_iters=1800 lr={}'],
    'CC, unit rows': ['cc unit=True loss_weight={}'],
    'ICKD-C, as released': ['ickd_c center=False loss_weight={}'],
    'ICKD-C, centred': ['ickd_c center=True loss_weight={}'],
    'ICKD-C, centred and cross': ['ickd_c center=True cross=True loss_weight={}'],
    'ICKD-S, 2×2': ['ickd_s loss_weight={}'],
    'ICKD-S, 2×2, centred': ['ickd_s center=True loss_weight={}'],
    'ICKD-S, 2×2, centred and cross': ['ickd_s center=True cross=True loss_weight={}'],
    'ICKD-S + KD': ['ickd_s_kd loss_weight={} loss_weight={}'],
    'ICKD-C, centred and cross, and KD': ['ickd_c_kd loss_weight={} loss_weight={}'],
    'FitNet 10 + ICKD-S': [
        f'ickd_s {BESIDE.format("backbone.layer4")} loss_weight={{}}',
        'ickd_s_fitnet loss_weight={}',
    ],
}


@pytest.mark.parametrize(
    ('number', 'file', 'ends', 'ending'),
    [
        (0, 'segmentation_sweep', [450], ''),
        (1, 'segmentation_sweep', [1100, 1800], ''),
        (2, 'classification_sweep', [900], ''),
        (3, 'fashionmnist_sweep', [3], ' max_epochs=3'),
    ],
)
def test_the_weights_and_rates_tried_are_those_of_the_kept_runs(tables, number, file, ends, ending):
    page = (REPO / 'docs/sweeps.md').read_text(encoding='utf-8')
    rows = re.findall(r'^\| method \| .*\n\|[-|]+\n((?:\|.*\n)+)', page, re.M)[number]
    kept = tables['read'](file)
    kept = kept[kept['at'].isin(ends) & kept.seed.isin([10, 11])]
    for row in rows.splitlines():
        method, tried = row.strip('|').split('|')
        simple = f'{method.partition(",")[0].strip().lower().replace("-", "_")} loss_weight={{}}'
        shown = re.findall(r'([\d.]+(?: \+ [\d.]+)*): ([\d.]+(?:, [\d.]+)*)', tried)
        assert shown
        for value, scores in shown:
            numbers = [(part, str(float(part))) for part in value.split(' + ')]
            names = [
                name.format(*spelling) + ending
                for name in SWEPT.get(method.strip(), [simple])
                for spelling in itertools.product(*numbers)
            ]
            runs = kept[kept.name.isin(names)].sort_values('seed')
            scores = [float(score) for score in scores.split(', ')]
            assert runs.score.tolist() == pytest.approx(scores, abs=0.0501), (method, value)


def test_the_rates_of_fashionmnists_student_are_those_of_the_kept_runs(tables):
    rows = tables['read']('fashionmnist_sweep').sort_values('at')
    page = (REPO / 'docs/sweeps.md').read_text(encoding='utf-8').split('## Fashion-MNIST')[1]
    text = page.split('\n\n')[1].split(';')[0]
    for rate, scores in re.findall(r'([\d.]+): ([\d.]+(?:, [\d.]+)*)', text):
        last = rows[rows.name == f'alone lr={rate}'].groupby('seed').score.last()
        assert [f'{score:.1f}' for score in last] == scores.split(', '), rate
    early = rows[(rows['at'] == 3) & (rows.seed == 10)].set_index('name').score
    for name in ('alone lr=1.0', 'alone lr=0.3'):
        assert f'{early[name]:.1f}' in page


def test_what_few_labels_give_is_what_the_kept_runs_have(tables, capsys):
    tables['few_labels']()
    printed = capsys.readouterr().out
    lines = re.findall(r'^\| (\S+=.*?) \| ([\d.]+) \| ([\d.± ]*?) ?\|$', printed, re.M)
    found = {name: (mean, total) for name, mean, total in lines}
    page = (REPO / 'docs/own_model.md').read_text(encoding='utf-8')
    page = page.split('### When labels are few')[1].split('\n## ')[0]
    rows = re.findall(r'^\| (\w.*?) \| ([\d,]+) \| (.*?) \| (.*?) \|$', page, re.M)
    starts = {
        ('random weights', '450'): 'load_from=None lr={}',
        ('random weights', '1,350'): 'max_iters=1350 lr={}',
        ('900 iterations without labels', '450'): (
            'load_from=work_dirs/unlabelled/SEED/iter_900.pth lr={}'
        ),
    }
    assert [row[:2] for row in rows] == list(starts)
    best = {}
    for start, iterations, rates, total in rows:
        name = starts[start, iterations]
        shown = dict(re.findall(r'([\d.]+): ([\d.]+)', rates))
        kept = {line: mean for line, (mean, _) in found.items() if line.startswith(name[:-2])}
        assert {name.format(rate): mean for rate, mean in shown.items()} == kept
        (rate,) = re.findall(r'\*\*([\d.]+):', rates)
        best[name] = name.format(rate)
        assert float(shown[rate]) == max(map(float, shown.values()))
        assert found[best[name]][1] == total
    alone, longer, after = best.values()
    for other in (alone, longer):
        (gain,) = re.findall(re.escape(f'{after} - few_labels {other}: ') + '(.*)', printed)
        assert gain in page.replace('\n', ' ')

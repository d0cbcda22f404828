"""The statistics of a comparison, the files that tell them, and the plots."""

import io
import json
import math

import pandas as pd
import pytest

from ickd_mm.commands.compare.plots import plot_curves, plot_final, plot_scores
from ickd_mm.commands.compare.tables import as_text, summarize, write_tables


def frame(reference='student', value=None, **scores):
    """Runs of lines (name -> scores of seeds 0, 1, ...; None for a seed that failed)."""
    rows = [
        dict(name=name, seed=seed, score=score, reference=reference, config=name, varied='n=1')
        | dict(curve=[(5, score / 2), (10, score)], metric='mIoU', iterations=10, value=value)
        | dict(step_seconds=0.1 * (seed + 1), seconds=9.0 + seed, line=name)
        for name, values in scores.items()
        for seed, score in enumerate(values)
        if score is not None
    ]
    return pd.DataFrame(rows)


def files(table, folder, teacher=None):
    write_tables(table, 'mIoU', folder, teacher)
    return {name: pd.read_csv(folder / f'{name}.csv') for name in ('table', 'differences', 'runs')}


def test_statistics_by_hand():
    table = summarize(frame(student=[40.0, 50.0, 45.0], kd=[52.0, 60.0, 59.0]), teacher=65.0)
    kd, student = (row for _, row in table.iterrows())
    assert (student['mean'], student.sd, student.gain) == (45.0, 5.0, 0.0)
    # t(0.975, 2) = 4.302653; gains 12, 10, 14 have standard deviation 2
    assert kd.gain == 12.0
    assert kd.interval == pytest.approx(4.302653 * 2 / 3**0.5, rel=1e-6)
    assert kd.share == pytest.approx(100 * 12 / 20)
    assert math.isnan(student.share)
    assert kd.step_seconds == pytest.approx(0.2)
    assert kd.seconds == 10.0
    timed = summarize(frame(student=[40.0], kd=[52.0]), None, {'kd': 0.25})
    assert list(timed.seconds) == [2.5, 9.0]
    assert timed.share.isna().all()


@pytest.mark.parametrize('teacher', [42.0, 30.0])
def test_no_share_without_a_better_teacher(teacher):
    assert summarize(frame(student=[40.0, 44.0], kd=[50.0, 51.0]), teacher).share.isna().all()


def test_the_table_for_a_document(tmp_path):
    runs = frame(student=[40.0, 44.0], kd=[43.0, 45.0], bad=[39.0, 43.0])
    rows = files(summarize(runs, 50.0), tmp_path, 50.0)
    assert (tmp_path / 'table.md').read_text(encoding='utf-8').splitlines() == [
        'mIoU, mean ± sd; seeds 0, 1; gain over student; teacher 50.0',
        '',
        '| run | mIoU | gain (95 %) | of the gap | s / step | s / run |',
        '| --- | --: | --: | --: | --: | --: |',
        '| kd | **44.0 ± 1.4** | +2.0 ± 12.7 | 25 % | 0.150 | 10 |',
        '| student | 42.0 ± 2.8 |  |  | 0.150 | 10 |',
        '| bad | 41.0 ± 2.8 | -1.0 ± 0.0 | -12 % | 0.150 | 10 |',
    ]
    columns = 'name seeds scores mean sd gain reference interval step_seconds seconds share'
    assert ' '.join(rows['table']) == columns
    assert rows['table'].scores[0] == '[43.0, 45.0]'
    assert rows['table'].share[2] == -12.5
    table = json.loads((tmp_path / 'table.json').read_text())
    assert table['teacher'] == 50.0
    assert table['lines'][1]['share'] is None
    assert 'of the gap' not in as_text(summarize(runs), 'mIoU')[1]


def test_every_two_lines_are_compared_over_their_common_seeds(tmp_path):
    runs = frame(student=[40.0, 44.0], kd=[43.0, 45.0], half=[None, 50.0], late=[60.0, None])
    rows = files(summarize(runs), tmp_path)['differences'].set_index(['run', 'better than'])
    # kd - student: 3 and 1; t(0.975, 1) = 12.706; half and late have no seed in common
    assert rows.loc[('kd', 'student')].tolist() == [2.0, 12.71, 2.0]
    assert len(rows) == 5
    assert rows.loc[('half', 'kd')].isna().tolist() == [False, True, False]
    # The better by its mean need not be so over the common seeds.
    rows = files(summarize(frame(student=[40.0, 60.0], kd=[43.0])), tmp_path)['differences']
    assert rows.iloc[0].tolist()[:3] == ['kd', 'student', 3.0]


def test_few_seeds_are_mentioned_and_what_is_not_known_is_empty(tmp_path):
    files(summarize(frame(student=[40.0], kd=[43.0, 45.0]), 50.0), tmp_path, 50.0)
    markdown = (tmp_path / 'table.md').read_text(encoding='utf-8').splitlines()
    assert markdown[4].startswith('| kd | **44.0 ± 1.4** | +3.0 | 30 % |')
    assert markdown[5].startswith('| student (1 of 2 seeds) | 40.0 |  |  |')
    table = summarize(frame(kd=[43.0], bad=[39.0]))  # the reference failed
    files(table, tmp_path)
    assert table.gain.isna().all()
    assert 'nan' not in (tmp_path / 'table.md').read_text()
    assert json.loads((tmp_path / 'table.json').read_text())['lines'][0]['gain'] is None


def test_all_finished_runs_of_a_folder_are_one_file(tmp_path):
    for name, varied, curves in (
        ('kd__1', 'a.w,b=1:(2,3)', {'mIoU': [[5, 1.0], [9, 3.456]]}),
        ('student__1', '', {'mDice': [[5, 2.0]]}),
    ):
        (tmp_path / name).mkdir()
        result = dict(config=name[:-3], varied=varied, seed=0, state='f00', curves=curves)
        (tmp_path / name / 'result.json').write_text(json.dumps(result))
    (tmp_path / 'old').mkdir()
    (tmp_path / 'old/result.json').write_text('{"curve": [[5, 9.0]]}')  # of an earlier version
    files(summarize(frame(student=[40.0])), tmp_path)
    assert (tmp_path / 'runs.csv').read_text().splitlines() == [
        'config,varied,seed,at,score,state',
        'kd,"a.w,b=1:(2,3)",0,5,1.00,f00',
        'kd,"a.w,b=1:(2,3)",0,9,3.46,f00',
    ]


def axes_of(monkeypatch, draw):
    """What a plot draws, instead of its file."""
    kept = []
    monkeypatch.setattr('matplotlib.pyplot.close', kept.append)
    draw(io.BytesIO())
    return [axis for figure in kept for axis in figure.axes]


def test_curves_are_means_over_seeds_against_iterations_and_seconds(monkeypatch):
    runs = frame(student=[40.0, 44.0], kd=[43.0, 45.0])
    table = summarize(runs, None, {'kd': 2.0})
    left, right = axes_of(monkeypatch, lambda file: plot_curves(runs, table, 'mIoU', file))
    kd = left.lines[0]
    assert kd.get_label() == 'kd'
    assert kd.get_xydata().tolist() == [[5, 22.0], [10, 44.0]]
    assert right.lines[0].get_xdata().tolist() == [10.0, 20.0]
    assert len(left.collections) == 2
    assert left.get_xlabel() == 'iterations'
    epochs = runs.assign(iterations=1000)
    left, right = axes_of(monkeypatch, lambda file: plot_curves(epochs, table, 'mIoU', file))
    assert left.get_xlabel() == 'epochs'
    assert right.lines[0].get_xdata().tolist() == [1000.0, 2000.0]  # 100 iterations an epoch


def test_scores_show_every_seed_the_reference_and_the_teacher(monkeypatch):
    table = summarize(frame(student=[40.0, 44.0], kd=[43.0, 45.0]))
    (axis,) = axes_of(monkeypatch, lambda file: plot_scores(table, 'mIoU', file, 60.0))
    texts = [text.get_text() for text in axis.get_legend().get_texts()]
    assert sorted(texts) == ['student, 42.0', 'teacher, 60.0']
    assert [text.get_text() for text in axis.get_yticklabels()] == ['student', 'kd']
    assert [43.0, 45.0] in [list(line.get_xdata()) for line in axis.lines]


def test_final_scores_against_a_varied_number(monkeypatch):
    lines = [frame(value=v, a=[s]).assign(name=f'a n={v}') for v, s in (('30', 4.0), ('0', 2.0))]
    runs = pd.concat(lines)

    def draw(runs):
        table = summarize(runs)
        return axes_of(monkeypatch, lambda file: plot_final(runs, table, 'mIoU', file))

    left, right = draw(runs)
    assert left.lines[0].get_xydata().tolist() == [[0.0, 2.0], [30.0, 4.0]]
    assert (left.get_xlabel(), left.get_xscale(), right.get_xscale()) == ('n', 'linear', 'log')
    left, right = draw(runs.assign(step_seconds=float('nan')))  # shorter than the log interval
    assert len(left.lines[0].get_xydata()) == 2
    assert right.get_xscale() == 'linear'
    assert draw(runs.assign(value='poly')) == draw(runs.assign(value=None)) == []

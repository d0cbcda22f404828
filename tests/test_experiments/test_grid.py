"""Laying out, running and remembering runs, with a quick stand-in for the training tool."""

import dataclasses
import itertools
import json
import sys
import textwrap

import pytest

from ickd_mm.experiments import run as run_module
from ickd_mm.experiments.grid import Cell, lay_out, parse_variation, remembered, run_missing
from ickd_mm.experiments.plot import plot_curves, plot_final, plot_scores
from ickd_mm.experiments.report import as_table, final_points, summarize, write
from ickd_mm.experiments.run import Result, Run, read_result

TOOL = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[sys.argv.index('--work-dir') + 1])
options = dict(o.split('=') for o in sys.argv[sys.argv.index('--cfg-options') + 1:])
seed = int(options['randomness.seed'])
starts = folder / 'starts'
starts.write_text(starts.read_text() + 'x' if starts.exists() else 'x')
if seed == 13 and starts.read_text() == 'x':
    sys.exit('unlucky')
(folder / 'now/vis_data').mkdir(parents=True, exist_ok=True)
lines = [dict(step=1, loss=1.0, time=0.5), dict(step=2, loss=1.0, time=0.25)]
lines += [dict(step=2, mIoU=40.0 + seed + float(options.get('lr', 0)))]
(folder / 'now/vis_data/scalars.json').write_text('\\n'.join(map(json.dumps, lines)))
"""


@pytest.fixture
def configs(tmp_path, monkeypatch):
    tool = tmp_path / 'train.py'
    tool.write_text(textwrap.dedent(TOOL))
    monkeypatch.setattr(run_module, 'tool', lambda name: tool)
    files = [tmp_path / 'alone.py', tmp_path / 'taught.py']
    for file in files:
        file.write_text('val_cfg = dict()\n')
    return [str(file) for file in files]


def collect(cells, jobs=2):
    new, results = [], remembered(cells)
    for cell, seed, result in run_missing(cells, results, jobs, new.append):
        results[cell.name][seed] = result
    return new, results


def test_every_combination_is_run_once_and_remembered(configs, tmp_path):
    variations = [parse_variation('lr=1,2')]
    cells = lay_out(configs, [0, 1], variations, tmp_path / 'out')
    assert [cell.name for cell in cells] == [
        'alone lr=1', 'alone lr=2', 'taught lr=1', 'taught lr=2'
    ]  # fmt: skip
    new, results = collect(cells)
    assert len(new) == 8 and new[0].startswith('alone lr=1 seed=0: mIoU 41.00 in ')
    assert results['taught lr=2'][1].score == 43.0
    again, same = collect(cells)
    assert again == [] and same == results


def test_other_options_are_another_run(configs, tmp_path):
    run = Run(configs[0], tmp_path / 'r', (('lr', 1), ('randomness.seed', 0)))
    assert run.finish(run.start(), 0.0).score == 41.0
    assert run.finished() is not None
    other = Run(configs[0], tmp_path / 'r', (('lr', 2), ('randomness.seed', 0)))
    assert other.finished() is None
    (tmp_path / 'r/last_checkpoint').write_text('of the first run')
    assert other.finish(other.start(), 0.0).score == 42.0
    assert not (tmp_path / 'r/last_checkpoint').exists()


def test_an_edited_config_is_another_run(configs, tmp_path):
    run = Run(configs[0], tmp_path / 'r', (('randomness.seed', 0),))
    run.finish(run.start(), 0.0)
    (tmp_path / 'alone.py').write_text('x = 1\n')
    assert run.finished() is None


def test_other_weights_of_the_teacher_are_another_run(tmp_path):
    weights, other = tmp_path / 'teacher.pth', tmp_path / 'teacher.py'
    weights.write_bytes(b'one')
    other.write_text("model = dict(type='B')\nval_cfg = dict()\n")
    config = tmp_path / 'taught.py'
    config.write_text(
        f"model = dict(type='ickd_mm.FeatureDistiller', student=dict(type='A'), "
        f'teacher={str(other)!r}, teacher_ckpt={str(weights)!r})\n'
    )
    run = Run(str(config), tmp_path / 'r', (('model.pairs.loss_icc.loss.grid', '2'),))
    first = run.identity()
    assert run.identity() == first
    weights.write_bytes(b'two')
    second = run.identity()
    other.write_text("model = dict(type='C')\nval_cfg = dict()\n")
    third = run.identity()
    assert len({json.dumps(i) for i in (first, second, third)}) == 3
    named = Run(str(config), tmp_path / 'r', (('model.teacher_ckpt', 'https://a.b/c.pth'),))
    assert named.identity()['teacher_ckpt'] not in (first['teacher_ckpt'], second['teacher_ckpt'])


def test_a_failed_run_shows_its_log_and_the_others_go_on(configs, tmp_path):
    cells = lay_out(configs[:1], [13, 0], [], tmp_path / 'out')
    said, results = collect(cells, jobs=1)
    assert said == ['alone seed=13 failed', said[1]] and said[1].startswith('alone seed=0: mIoU 40')
    error = results['alone'].pop(13)
    assert isinstance(error, RuntimeError) and 'unlucky' in str(error)
    assert remembered(cells) == results
    (line,) = summarize(cells, results)
    assert line.seeds == [0]
    said, results = collect(cells, jobs=1)
    assert len(said) == 1 and results['alone'][13].score == 53.0


def test_a_finished_run_of_another_config_is_kept_aside(configs, tmp_path):
    cells = lay_out(configs[:1], [0], [], tmp_path / 'out')
    collect(cells)
    (tmp_path / 'alone.py').write_text('x = 1\n')
    said, _ = collect(cells)
    assert said[0] == 'alone__seed=0 held another run: now in alone__seed=0.1.before'
    kept = json.loads((tmp_path / 'out/alone__seed=0.1.before/result.json').read_text())
    assert kept['score'] == 40.0
    (tmp_path / 'alone.py').write_text('x = 2\n')
    assert 'alone__seed=0.2.before' in collect(cells)[0][0]
    assert collect(cells)[0] == []


def test_a_comment_or_another_place_is_no_other_run(configs, tmp_path):
    run = Run(configs[0], tmp_path / 'r', ())
    (tmp_path / 'alone.py').write_text('# weight 5 is best\nlr = 1\n')
    first = run.identity()
    (tmp_path / 'alone.py').write_text('lr = 1  # as before\n')
    (tmp_path / 'moved').mkdir()
    (tmp_path / 'moved/alone.py').write_text('lr = 1\n')
    moved = Run(str(tmp_path / 'moved/alone.py'), tmp_path / 'r', ())
    assert run.identity() == first == moved.identity()


def test_a_config_that_changes_during_the_run_gives_no_result(configs, tmp_path):
    run = Run(configs[0], tmp_path / 'r', (('randomness.seed', 0),))
    process = run.start()
    (tmp_path / 'alone.py').write_text('x = 1\n')
    with pytest.raises(RuntimeError, match='changed during the run'):
        run.finish(process, 0.0)
    # What was trained is kept under what it was.
    assert run.finished() is None and run.set_aside() == tmp_path / 'r.1.before'
    (tmp_path / 'alone.py').write_text('val_cfg = dict()\n')
    assert run.finished().score == 40.0


def test_a_config_that_changes_while_others_run_is_not_mixed_in(configs, tmp_path):
    cells = lay_out(configs[:1], [0, 1], [], tmp_path / 'out')
    results = remembered(cells)
    for _, seed, result in run_missing(cells, results, 1, print):
        if seed == 0:
            assert result.score == 40.0
            (tmp_path / 'alone.py').write_text('x = 1\n')
        else:
            assert isinstance(result, RuntimeError) and 'changed meanwhile' in str(result)


def test_a_config_that_cannot_be_read_any_more_fails_alone(configs, tmp_path):
    cells = lay_out(configs, [0], [], tmp_path / 'out')
    results = {}
    for cell, _, result in run_missing(cells, remembered(cells), 1, print):
        results[cell.name] = result
        (tmp_path / 'alone.py').write_text('half = (')
        (tmp_path / 'taught.py').write_text('half = (')
    assert isinstance(results['alone'], Result) and 'SyntaxError' in str(results['taught'])


def test_what_was_set_aside_comes_back(configs, tmp_path):
    cells = lay_out(configs[:1], [0], [], tmp_path / 'out')
    for text, new in (('x = 1\n', 1), ('x = 2\n', 2), ('x = 1  # again\n', 0), ('x = 2\n', 0)):
        (tmp_path / 'alone.py').write_text(text)
        said, _ = collect(cells)
        assert len(said) == new
    assert len(list((tmp_path / 'out').glob('*.before'))) == 1


def test_keys_of_a_config_need_not_be_of_one_type(configs, tmp_path):
    (tmp_path / 'alone.py').write_text("classes = {0: 'a', 'b': 1, None: 2}\n")
    first = Run(configs[0], tmp_path / 'r').identity()
    (tmp_path / 'alone.py').write_text("classes = {None: 2, 'b': 1, 0: 'a'}\n")
    assert Run(configs[0], tmp_path / 'r').identity() == first
    (tmp_path / 'alone.py').write_text("classes = {None: 2, 'b': 1, '0': 'a'}\n")
    assert Run(configs[0], tmp_path / 'r').identity() != first


def test_equal_ends_of_keys_are_told_apart(configs, tmp_path):
    variation = [parse_variation('a.loss.w,b.loss.w=1:2')]
    (cell,) = lay_out(configs[:1], [0], variation, tmp_path)
    assert cell.name == 'alone a.loss.w=1 b.loss.w=2'
    one, two = ([parse_variation(f'{key}.w=1')] for key in 'ab')
    folders = [lay_out(configs[:1], [0], v, tmp_path)[0].runs[0].folder for v in (one, two)]
    assert folders[0] != folders[1]


def test_folder_names_have_an_end(configs, tmp_path):
    variation = [[(('key', 'x' * 300 + end),)] for end in 'ab']
    one, two = (lay_out(configs[:1], [0], [v], tmp_path)[0].runs[0].folder for v in variation)
    assert len(one.name) == len(two.name) == 120 and one != two


def test_the_same_value_twice_is_refused(configs, tmp_path):
    for values in ('2,2', 'a/b,a_b', 'True,true'):
        with pytest.raises(ValueError, match='alone grid=.* and alone grid=.* share a folder'):
            lay_out(configs[:1], [0], [parse_variation(f'grid={values}')], tmp_path)


def test_an_interrupted_run_resumes(configs, tmp_path):
    run = Run(configs[0], tmp_path, ())
    assert '--resume' not in run.command()
    (tmp_path / 'last_checkpoint').write_text('iter_5.pth')
    assert '--resume' in run.command() and run.command()[0] == sys.executable


def test_a_run_that_went_on_from_a_checkpoint_is_marked(configs, tmp_path):
    cells = lay_out(configs, [0], [], tmp_path / 'out')
    run = cells[0].runs[0]
    run.start(1).wait()  # killed before its result was stored
    (run.folder / 'last_checkpoint').write_text('iter_5.pth')
    _, results = collect(cells)
    assert results['alone'][0].resumed and not results['taught'][0].resumed
    assert remembered(cells) == results


def test_a_run_killed_before_its_last_validation_starts_anew(configs, tmp_path):
    (tmp_path / 'alone.py').write_text('val_cfg = dict()\ntrain_cfg = dict(max_iters=9)\n')
    cells = lay_out(configs[:1], [0], [parse_variation('train_cfg.max_iters=5')], tmp_path / 'out')
    run = cells[0].runs[0]
    for kept, resumed in (('iter_4.pth', True), ('iter_5.pth', False)):
        run.start(1).wait()
        (run.folder / 'last_checkpoint').write_text(f'{run.folder}/{kept}')
        (run.folder / 'early/vis_data').mkdir(parents=True)
        (run.folder / 'early/vis_data/scalars.json').write_text('{"step": 1, "mIoU": 9.0}')
        _, results = collect(cells)
        result = results[cells[0].name][0]
        assert result.resumed == resumed and (1 in dict(result.curve)) == resumed
        (run.folder / 'result.json').unlink()
        (run.folder / 'run.json').unlink()


def test_the_score_is_the_last_validations(tmp_path):
    for start, lines in {
        'a': [dict(step=1, loss=1, time=9.0), dict(step=10, mIoU=5.0), dict(step=20, mIoU=6.0)],
        'b': [dict(step=11, loss=1, time=1.0), dict(step=20, mIoU=7.0), dict(step=30, mIoU=6.5)],
    }.items():
        (tmp_path / start / 'vis_data').mkdir(parents=True)
        text = '\n'.join(map(json.dumps, lines))
        (tmp_path / start / 'vis_data/scalars.json').write_text(text)
    result = read_result(tmp_path, 3.0)
    curve = [(10, 5.0), (20, 7.0), (30, 6.5)]
    assert result == Result('mIoU', 6.5, 3.0, 5.0, curve, iterations=11)
    assert result.length == 30


def test_scores_without_steps(tmp_path):
    """Shorter than the log interval; and logged by epochs where there are none."""
    (tmp_path / 'a/vis_data').mkdir(parents=True)
    scalars = tmp_path / 'a/vis_data/scalars.json'
    scalars.write_text('{"step": 5, "mIoU": 6.0}\n{"step": 9, "mI')
    result = read_result(tmp_path, 3.0)
    assert (result.score, result.length) == (6.0, 5) and result.step_seconds != result.step_seconds
    lines = [dict(step=40, loss=1, time=0.5), dict(step=0, mIoU=5.0), dict(step=0, mIoU=6.0)]
    scalars.write_text('\n'.join(map(json.dumps, lines)))
    result = read_result(tmp_path, 3.0)
    assert (result.curve, result.length) == ([(40, 6.0)], 40)
    plot_curves({'a': {0: result}}, 'mIoU', tmp_path / 'curves.png')


def test_a_run_without_a_score_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match='no score mIoU or .*logged nothing$'):
        read_result(tmp_path, 1.0)
    (tmp_path / 'a/vis_data').mkdir(parents=True)
    lines = [dict(step=5, loss=1, time=9.0), dict(step=5, mDice=6.0, aAcc=8.0, data_time=1.0)]
    (tmp_path / 'a/vis_data/scalars.json').write_text('\n'.join(map(json.dumps, lines)))
    with pytest.raises(RuntimeError, match='mIoU or .*logged aAcc, mDice; name one with --metric'):
        read_result(tmp_path, 1.0)
    assert read_result(tmp_path, 1.0, 'mDice').score == 6.0


def test_another_score_of_a_finished_run_is_in_its_log(configs, tmp_path):
    run = Run(configs[0], tmp_path / 'o', ())
    (tmp_path / 'o/a/vis_data').mkdir(parents=True)
    line = json.dumps(dict(step=5, mIoU=7.0, mDice=6.0))
    (tmp_path / 'o/a/vis_data/scalars.json').write_text(line)
    kept = Result('mIoU', 7.0, 3.0, 0.5, [(5, 7.0)], resumed=True)
    (tmp_path / 'o/result.json').write_text(
        json.dumps(dict(dataclasses.asdict(kept), run=run.identity()))
    )
    assert run.finished() == kept
    other = dataclasses.replace(run, metric='mDice').finished()
    assert (other.metric, other.score, other.seconds, other.resumed) == ('mDice', 6.0, 3.0, True)
    with pytest.raises(RuntimeError, match='no score mFscore; its validations logged mDice, mIoU'):
        dataclasses.replace(run, metric='mFscore').finished()
    assert [path.name for path in tmp_path.glob('o*')] == ['o']  # nothing was set aside
    # Stored with another score: without a name, mIoU counts.
    kept = Result('mDice', 6.0, 3.0, 0.5, [(5, 6.0)])
    (tmp_path / 'o/result.json').write_text(
        json.dumps(dict(dataclasses.asdict(kept), run=run.identity()))
    )
    assert run.finished().metric == 'mIoU'


@pytest.mark.parametrize('text', ['lr', '=1', 'lr=', 'lr=,', 'a,b=1', 'a,b=1:2,3', 'a,b=(1:2)'])
def test_a_wrong_variation(text):
    with pytest.raises(ValueError, match='--vary takes'):
        parse_variation(text)


@pytest.mark.parametrize(
    ('text', 'values'),
    [
        ('grid=2,(2,4)', ['2', '(2,4)']),
        ('teacher=mmseg::a.py,C:/b.py', ['mmseg::a.py', 'C:/b.py']),
        ('points=[(0,1),(0.5,0)],[]', ['[(0,1),(0.5,0)]', '[]']),
        ("loss=dict(a=1,b='x,y'),'p,q'", ["dict(a=1,b='x,y')", "'p,q'"]),
        ('points=((0,1),(0.5,0)),None', ['((0,1),(0.5,0))', 'None']),
        ('lr=(1,2', ['(1,2']),
    ],
)
def test_values_keep_what_stands_in_brackets_and_quotes(text, values):
    assert [value for ((_, value),) in parse_variation(text)] == values


def test_values_of_two_keys_keep_it_too():
    assert parse_variation('a,b=1:(2,3),{4:5}:6') == [
        (('a', '1'), ('b', '(2,3)')), (('a', '{4:5}'), ('b', '6'))
    ]  # fmt: skip


def test_a_value_that_is_a_path_names_one_folder(configs, tmp_path):
    (cell,) = lay_out(configs[:1], [0], [parse_variation('teacher=mmseg::a/b.py')], tmp_path / 'o')
    assert cell.runs[0].folder == tmp_path / 'o/alone__teacher=mmseg__a_b.py__seed=0'


def test_a_config_without_validation_is_refused(tmp_path):
    (tmp_path / 'none.py').write_text("model = dict(type='Plain')")
    with pytest.raises(ValueError, match='none.py has no val_cfg: without validation'):
        lay_out([str(tmp_path / 'none.py')], [0], [], tmp_path)


def test_wrong_layouts(configs, tmp_path):
    with pytest.raises(FileNotFoundError, match='none.py'):
        lay_out(['none.py'], [0], [], tmp_path)
    with pytest.raises(ValueError, match='must differ'):
        lay_out([configs[0], configs[0]], [0], [], tmp_path)
    with pytest.raises(ValueError, match='jobs must be at least 1'):
        cells = lay_out(configs, [0], [], tmp_path)
        list(run_missing(cells, remembered(cells), 0, print))


def test_statistics_and_files(tmp_path):
    def runs(*scores):
        return {
            seed: Result('mIoU', score, 10.0, 0.1 * (seed + 1), [(1, score / 2), (2, score)])
            for seed, score in enumerate(scores)
        }

    results = {'alone': runs(40.0, 50.0, 45.0), 'taught': runs(52.0, 60.0, 59.0)}
    cells = [Cell(name, (), {}) for name in results]
    alone, taught = summarize(cells, results)
    assert (alone.mean, alone.sd, alone.gain) == (45.0, 5.0, 0.0)
    assert taught.gain == 12.0
    # t(0.975, 2) = 4.302653; gains 12, 10, 14 have standard deviation 2
    assert taught.interval == pytest.approx(4.302653 * 2 / 3**0.5, rel=1e-6)
    assert taught.step_seconds == pytest.approx(0.2)
    write([alone, taught], 'mIoU', tmp_path)
    assert json.loads((tmp_path / 'table.json').read_text())['lines'][1]['gain'] == 12.0
    assert len((tmp_path / 'table.csv').read_text().splitlines()) == 3
    assert as_table([alone, taught], 'mIoU').row_count == 2
    plot_curves(results, 'mIoU', tmp_path / 'curves.png')
    assert (tmp_path / 'curves.png').stat().st_size > 5000
    for teacher in (None, 70.0):
        scores = {line.name: line.scores for line in (alone, taught)}
        reference = None if teacher is None else 'alone'
        plot_scores(scores, 'mIoU', tmp_path / f'{teacher}.png', reference, teacher)
        assert (tmp_path / f'{teacher}.png').stat().st_size > 5000


def test_two_keys_may_change_together():
    assert parse_variation('a.n,b=1:2,3:4') == [
        (('a.n', '1'), ('b', '2')), (('a.n', '3'), ('b', '4'))
    ]  # fmt: skip


def test_a_gain_is_against_the_same_values(tmp_path):
    cells = [Cell(c, (('n', v),), {}) for c in ('alone', 'taught') for v in ('10', '20')]
    scores = dict(zip((cell.name for cell in cells), (30.0, 40.0, 36.0, 41.0)))
    results = {n: {0: Result('mIoU', s, 9.0, 0.5, [(7, s)])} for n, s in scores.items()}
    assert [line.gain for line in summarize(cells, results)] == [0.0, 0.0, 6.0, 1.0]
    points = final_points(cells, results, {cells[3].name: 2.0})
    assert points['taught'] == [(10.0, 3.5, [36.0]), (20.0, 14.0, [41.0])]
    plot_final(points, 'n', 'mIoU', tmp_path / 'final.png')
    assert (tmp_path / 'final.png').stat().st_size > 5000


def test_each_line_of_the_plot_varies_one_value(tmp_path):
    parts = [parse_variation('n,m=30:3,10:1,0:2'), parse_variation('lr=0.1,0.2')]
    cells = [Cell('alone', (*one, *two), {}, len(one)) for one, two in itertools.product(*parts)]
    results = {
        cell.name: {0: Result('mIoU', float(score), 9.0, 0.5, [(7, 1.0)])}
        for score, cell in enumerate(cells)
    }
    points = final_points(cells, results, {})
    assert points == {
        'alone lr=0.1': [(0.0, 3.5, [4.0]), (10.0, 3.5, [2.0]), (30.0, 3.5, [0.0])],
        'alone lr=0.2': [(0.0, 3.5, [5.0]), (10.0, 3.5, [3.0]), (30.0, 3.5, [1.0])],
    }
    plot_final(points, 'n', 'mIoU', tmp_path / 'final.png')  # 0 has no logarithm
    unknown = {'alone': [(1.0, float('nan'), [4.0]), (2.0, float('nan'), [5.0])]}
    plot_final(unknown, 'n', 'mIoU', tmp_path / 'final.png')  # shorter than the log interval
    assert (tmp_path / 'final.png').stat().st_size > 5000


def test_the_layout_knows_what_varies_together(configs, tmp_path):
    parts = [parse_variation('a.n,b=1:2,3:4'), parse_variation('c=5')]
    assert [cell.together for cell in lay_out(configs[:1], [0], parts, tmp_path)] == [2, 2]
    assert lay_out(configs[:1], [0], [], tmp_path)[0].together == 1


def test_without_numbers_there_is_no_such_plot():
    cell = Cell('alone', (('kind', 'a'),), {})
    assert final_points([cell], {cell.name: {0: Result('m', 1.0, 1.0, 1.0, [(1, 1.0)])}}, {}) == {}

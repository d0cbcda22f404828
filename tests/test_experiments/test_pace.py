"""Steps timed apart from the runs, and a teacher's features shared between them."""

import json
import textwrap

import pytest

from ickd_mm.experiments import run as run_module
from ickd_mm.experiments.grid import lay_out
from ickd_mm.experiments.pace import STEPS, check_pace, time_steps
from ickd_mm.experiments.report import summarize
from ickd_mm.experiments.run import Result

TOOL = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[sys.argv.index('--work-dir') + 1])
options = dict(o.split('=') for o in sys.argv[sys.argv.index('--cfg-options') + 1:])
assert options['train_cfg.max_iters'] == options['train_cfg.val_interval'] == '60'
assert options.get('model.teacher_run.store') == ('None' if 'taught' in sys.argv[1] else None)
starts = folder / 'starts'
starts.write_text(starts.read_text() + 'x' if starts.exists() else 'x')
(folder / 'now/vis_data').mkdir(parents=True)
factor = 2 if 'taught' in sys.argv[1] else 1
factor *= int(folder.parent.name.removeprefix('round_'))
times = [0.9, 0.1, 0.11, 0.12, 0.1]
lines = [dict(step=i, loss=1.0, time=factor * time) for i, time in enumerate(times)]
lines += [dict(step=60, mIoU=1.0)]
(folder / 'now/vis_data/scalars.json').write_text('\\n'.join(map(json.dumps, lines)))
"""


@pytest.fixture
def cells(tmp_path, monkeypatch):
    tool = tmp_path / 'train.py'
    tool.write_text(textwrap.dedent(TOOL))
    monkeypatch.setattr(run_module, 'tool', lambda name: tool)
    (tmp_path / 'alone.py').write_text("model = dict(type='EncoderDecoder')\nval_cfg = dict()\n")
    (tmp_path / 'taught.py').write_text(
        "model = dict(type='ickd_mm.FeatureDistiller')\nval_cfg = dict()\n"
    )
    configs = [str(tmp_path / 'alone.py'), str(tmp_path / 'taught.py')]
    return lay_out(configs, [3, 4], [], tmp_path / 'out', tmp_path / 'out/features')


def test_lines_take_turns_and_the_median_of_the_rounds_counts(cells, tmp_path):
    said = []
    pace = time_steps(cells, tmp_path / 'out', lambda *line: said.append(line))
    # 0.1075 is the mean of a round's windows behind the first; a round is slower than the last.
    assert pace == {'alone': pytest.approx(2 * 0.1075), 'taught': pytest.approx(4 * 0.1075)}
    assert [name for name, _ in said] == [
        f'{name}, round {turn} of 3' for turn in (1, 2, 3) for name in ('alone', 'taught')
    ]
    assert said[-1][1] == pytest.approx(6 * 0.1075)
    assert time_steps(cells, tmp_path / 'out', print) == pace
    starts = list((tmp_path / 'out/pace').glob('*/*/*/starts'))
    assert [file.read_text() for file in starts] == ['x'] * 6 and STEPS == 60


def test_other_threads_are_timed_anew_and_a_killed_run_is_emptied(cells, tmp_path, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    cut = tmp_path / 'out/pace/1_threads/round_1/alone__seed=3'
    (cut / 'before/vis_data').mkdir(parents=True)
    (cut / 'before/vis_data/scalars.json').write_text(
        '\n'.join(['{"step": 1, "loss": 1.0, "time": 99.0}'] * 2)
    )
    pace = time_steps(cells, tmp_path / 'out', lambda *line: None)
    assert pace['alone'] == pytest.approx(2 * 0.1075) and not (cut / 'before').exists()
    monkeypatch.setenv('OMP_NUM_THREADS', '2,1')
    said = []
    time_steps(cells, tmp_path / 'out', lambda *line: said.append(line))
    assert len(list((tmp_path / 'out/pace').glob('*/*/*/starts'))) == 12


def test_the_table_takes_them_instead_of_the_runs_own(cells):
    results = {cell.name: {3: Result('mIoU', 1.0, 9.0, 0.5, [(7, 1.0)])} for cell in cells}
    alone, taught = summarize(cells, results, None, {'taught': 0.2})
    assert (alone.step_seconds, taught.step_seconds) == (0.5, 0.2)
    assert (alone.seconds, taught.seconds) == (9.0, pytest.approx(7 * 0.2))


def test_a_config_that_counts_epochs_is_named_before_the_first_run(cells, tmp_path):
    check_pace(cells)
    (tmp_path / 'taught.py').write_text(
        "model = dict(type='ickd_mm.FeatureDistiller')\n"
        'train_cfg = dict(by_epoch=True, max_epochs=240)\n'
    )
    with pytest.raises(ValueError, match=r'taught.py trains for epochs: give --step-seconds'):
        check_pace(cells)


def test_a_shared_store_is_told_to_what_distils_and_is_no_part_of_a_run(cells, tmp_path):
    alone, taught = (cell.runs[3] for cell in cells)
    option = f'model.teacher_run.store={tmp_path / "out/features"}'
    assert option in taught.command() and option not in alone.command()
    bare = lay_out([taught.config], [3], [], tmp_path / 'out')[0].runs[3]
    assert option not in bare.command() and bare.identity() == taught.identity()
    assert 'store' not in json.dumps(taught.identity())

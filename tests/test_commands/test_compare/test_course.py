"""tools/compare.py from its command line to its files, in a process of its own.

A stand-in takes the place of the tools that it starts, but for the last test, whose runs and
teacher's score go through the real ones.
"""

import json
import re
import sys
import time

import pytest
from filelock import FileLock
from support.forking import Forked
from support.repository import ICKD, REPO, TEACHER

from ickd_mm.commands.compare.grid import lay_out, parse_variation

# Notes every start, takes a while, logs scores; FAILS names configs that fail.
STAND_IN = """
import json, os, pathlib, runpy, sys, time
config, folder = map(pathlib.Path, (sys.argv[1], sys.argv[sys.argv.index('--work-dir') + 1]))
with open(folder / 'starts', 'a') as file:
    file.write(f'{os.getpid()}\\n')
cfg = runpy.run_path(config)
if '--teacher' in sys.argv:
    (folder / 'now').mkdir()
    (folder / 'now/now.json').write_text(json.dumps(dict(aAcc=80.0, mIoU=60.0)))
    sys.exit()
with open(folder / 'said', 'a') as file:
    print(*sys.argv[4:], cfg['model'].get('teacher_run'), file=file)
time.sleep(float(os.environ.get('TAKES', 0)))
(folder / 'now/vis_data').mkdir(parents=True, exist_ok=True)
end, seed = cfg['train_cfg']['max_iters'], cfg['randomness']['seed']
taught = config.stem == 'taught'
score = 40.0 + seed + 5 * taught + cfg['lr']
timed = 1 if end < 60 else int(folder.parent.name.removeprefix('round_'))
times = [9.0, 0.1, 0.3]
lines = [dict(step=n, loss=1, time=t * timed * (1 + taught)) for n, t in enumerate(times, 1)]
lines += [dict(step=end, mIoU=score, aAcc=2 * score)]
(folder / 'now/vis_data/scalars.json').write_text('\\n'.join(map(json.dumps, lines)))
(folder / 'last_checkpoint').write_text(f'{folder}/iter_{end}.pth')
if config.stem in os.environ.get('FAILS', ''):
    sys.exit('no luck')
"""
# Without DRAWN, figures are laid out but not drawn.
RUN = """
import os, pathlib, runpy, sys
from matplotlib.figure import Figure
import ickd_mm.commands.compare.run as run
stand_in = pathlib.Path(__file__).with_name('stand_in.py')
real = run.command
def command(*args):
    words = real(*args)
    return [words[0], str(stand_in), *words[2:]]
import ickd_mm.commands.compare.jobs as jobs, ickd_mm.commands.compare.teacher as teacher
run.command = teacher.command = command
jobs.EVERY = 0.5
if 'DRAWN' not in os.environ:
    Figure.savefig = lambda figure, file, **kwargs: file.touch()
runpy.run_path({compare!r}, run_name='__main__')
"""
FORKS = """
import runpy
import ickd_mm.commands.compare.run
from support.forked_children import fork_children
fork_children()
runpy.run_path({compare!r}, run_name='__main__')
"""
pytestmark = pytest.mark.slow


@pytest.fixture
def start(tmp_path):
    (tmp_path / 'stand_in.py').write_text(STAND_IN)
    (tmp_path / 'run.py').write_text(RUN.format(compare=str(REPO / 'tools/compare.py')))
    loop = 'lr = 0.0\ntrain_cfg = dict(max_iters=9)\nval_cfg = dict()\n'
    logger = 'default_hooks = dict(logger=dict(interval=1))\n'
    for name, kind in (('alone', 'Plain'), ('taught', 'ickd_mm.FeatureDistiller')):
        (tmp_path / f'{name}.py').write_text(f'model = dict(type={kind!r})\n{loop}{logger}')

    def begin(folder, *arguments, seeds='0 1', **env):
        configs = [tmp_path / 'alone.py', tmp_path / 'taught.py']
        words = [*configs, '--seeds', *seeds.split(), '--work-dir', folder, *arguments]
        env = {key: str(value) for key, value in env.items()}
        output = tmp_path / f'output{len(list(tmp_path.glob("output*")))}'
        return Forked(str(tmp_path / 'run.py'), *words, output=output, env=env)

    return begin


@pytest.fixture
def run(start):
    def whole(*args, code=0, **kwargs):
        done = start(*args, **kwargs).wait()
        assert done.returncode == code, done.stdout
        return done.stdout

    return whole


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, 'waited in vain'
        time.sleep(0.02)


def alive(pid):
    try:
        return open(f'/proc/{pid}/stat').read().split(')')[1].split()[0] != 'Z'
    except OSError:
        return False


def lines(folder):
    table = json.loads((folder / 'table.json').read_text())
    return {line['name']: (line['scores'], line['gain']) for line in table['lines']}


def starts(folder, pattern='*'):
    files = folder.glob(f'{pattern}/starts')
    return {file.parent.name.rpartition('__')[0]: len(file.read_text().split()) for file in files}


@pytest.mark.skipif(sys.platform != 'linux', reason='processes are asked about in /proc')
def test_kill_9_and_again_gives_the_same_table_and_repeats_no_finished_run(start, run, tmp_path):
    folder = tmp_path / 'killed'
    first = start(folder, '--jobs', '1', TAKES=1.5)
    first.until(lambda: sum(starts(folder, '*seed*').values()) == 2)
    (finished,) = folder.glob('*/result.json')
    (cut,) = [f for f in folder.glob('*seed*/starts') if f.parent != finished.parent]
    first.kill()
    pid = int(cut.read_text())
    wait_for(lambda: not alive(pid))
    (cut.parent / 'last_checkpoint').write_text('iter_5.pth')  # a later moment: resumed

    text = run(folder)
    assert '1 of the runs were resumed' in text
    assert '--resume' in (cut.parent / 'said').read_text()
    assert starts(folder) == {
        'alone__seed=0': 1, 'taught__seed=0': 2, 'alone__seed=1': 1, 'taught__seed=1': 1,
        'teacher': 1,
    }  # fmt: skip
    assert lines(folder) == {'alone': ([40.0, 41.0], 0.0), 'taught': ([45.0, 46.0], 5.0)}
    written = 'table.json table.csv table.md curves.png scores.png differences.csv runs.csv'
    assert set(written.split()) <= {file.name for file in folder.iterdir()}


@pytest.mark.parametrize('checkpoint', ['a/folder/iter_5.pth', None])
def test_a_run_killed_with_nothing_to_resume_starts_anew(run, tmp_path, checkpoint):
    """Between its last checkpoint and its score, which resuming lacks; before its first."""
    vary = 'train_cfg.max_iters=5'
    (alone,) = lay_out([str(tmp_path / 'alone.py')], [0], [parse_variation(vary)], tmp_path / 'out')
    (alone.folder / 'now/vis_data').mkdir(parents=True)
    (alone.folder / 'now/vis_data/early.json').touch()
    if checkpoint:
        (alone.folder / 'last_checkpoint').write_text(checkpoint)
    assert 'went on' not in run(tmp_path / 'out', '--vary', vary, seeds='0')
    assert 'resume' not in (alone.folder / 'said').read_text()
    assert not (alone.folder / 'now/vis_data/early.json').exists()


def test_what_fails_is_listed_at_the_end_and_the_rest_is_a_table(run, tmp_path):
    folder = tmp_path / 'out'
    text = run(folder, '--jobs', '2', FAILS='alone', code=1)
    assert '2 failed; run the command again to retry' in text
    assert 'alone seed=1' in text
    assert text.count('no luck') == 2
    assert 'Traceback' not in text
    assert lines(folder) == {'taught': ([45.0, 46.0], None)}  # over what has no result
    run(folder)
    assert lines(folder)['taught'] == ([45.0, 46.0], 5.0)
    assert starts(folder, '*seed*')['taught__seed=1'] == 1


def test_varied_values_are_lines_and_a_changed_config_is_another_run(run, tmp_path):
    folder, vary = tmp_path / 'out', ('--vary', 'lr=0.5,2')
    text = run(folder, *vary, DRAWN=1)
    assert 'teacher: 60.00' in text
    assert 'teacher 60.0' in text
    assert lines(folder)['taught lr=2'] == ([47.0, 48.0], 5.0)
    for name in ('curves', 'scores', 'final'):
        assert (folder / f'{name}.png').stat().st_size > 10_000
    assert len(starts(folder)) == 9
    config = tmp_path / 'alone.py'
    before = config.read_text()
    config.write_text(f'{before}x = 1\n')
    run(folder, *vary)
    assert len(list(folder.glob('*seed*'))) == 12  # what was there before is kept
    config.write_text(before)
    run(folder, *vary)
    assert set(starts(folder, '*seed*').values()) == {1}
    assert (folder / 'runs.csv').read_text().count('\n') == 13


def test_progress_has_a_line_also_where_the_output_is_no_terminal(run, tmp_path):
    text = run(tmp_path / 'out', '--jobs', '2', TAKES=1)
    assert re.search(r'0/4 runs, 0:00:\d\d elapsed, time left: not known yet: ', text)
    assert '2/4 runs, 0:00:' in text
    assert 'left' in text.split('2/4 runs')[1].split('\n')[0]


def test_another_score_of_finished_runs_and_one_that_they_lack(run, tmp_path):
    folder = tmp_path / 'out'
    run(folder)
    run(folder, '--metric', 'aAcc')
    assert lines(folder)['alone'] == ([80.0, 82.0], 0.0)
    before = (folder / 'table.json').read_text()
    text = run(folder, '--metric', 'mDcie', code=1)
    assert 'no score mDcie; its validations logged aAcc, mIoU' in text
    assert 'Traceback' not in text
    assert (folder / 'table.json').read_text() == before
    assert set(starts(folder).values()) == {1}


def test_steps_are_timed_in_turns_without_the_teachers_features_that_runs_share(run, tmp_path):
    folder = tmp_path / 'out'
    text = run(folder, '--share-teacher', seeds='3')
    assert 'their seconds cannot be compared: run again with --time-steps' in text
    store = f'model.teacher_run.store={folder}/features'
    said = {file.parent.name[:5]: file.read_text() for file in folder.glob('*/said')}
    assert store in said['taugh']
    assert store not in said['alone']
    for threads, runs in ((1, 6), (2, 12), (2, 12)):
        text = run(folder, '--share-teacher', '--time-steps', seeds='3', OMP_NUM_THREADS=threads)
        rows = json.loads((folder / 'table.json').read_text())['lines']
        # Without the first window, 0.2 in the first of three rounds, whose median is the second.
        assert [row['step_seconds'] for row in rows] == pytest.approx([2 * 0.4, 0.4])
        assert [row['seconds'] for row in rows] == pytest.approx([9 * 0.8, 9 * 0.4])
        short = list((folder / 'step_times').glob('*/*/*/said'))
        assert len(short) == runs
        assert not any(store in file.read_text() for file in short)
        assert all(len(f.with_name('starts').read_text().split()) == 1 for f in short)


def test_several_teachers_have_no_one_score(run, tmp_path):
    text = run(tmp_path / 'out', '--vary', 'model.teacher_ckpt=a,b', seeds='0')
    assert '2 different teachers: the table has no share of the gap' in text
    assert 'of the gap ' not in text
    assert 'teacher__' not in ''.join(starts(tmp_path / 'out'))


def test_a_teacher_that_changes_meanwhile_is_not_mixed_in(start, tmp_path):
    weights, folder = tmp_path / 'teacher.pth', tmp_path / 'out'
    weights.write_bytes(b'one')
    job = start(folder, '--vary', f'model.teacher_ckpt={weights}', seeds='0', TAKES=2)
    job.until(lambda: list(folder.glob('taught*/starts')))
    weights.write_bytes(b'two')
    done = job.wait()
    assert done.returncode == 1
    assert 'a file that its config names changed' in done.stdout
    assert list(lines(folder)) == [f'alone teacher_ckpt={weights}']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ('--vary model.type.x=1', '--vary model.type.x=1: '),
        ('--jobs 0', '--jobs must be at least 1, got 0'),
        ('--step-seconds 1', '--step-seconds takes one number per config'),
        ('--step-seconds 1 2 --time-steps', 'not allowed with'),
        ('--time-steps --vary train_cfg.by_epoch=True', 'trains for epochs: give --step-seconds'),
    ],
)
def test_wrong_arguments_end_it_at_once(run, tmp_path, arguments, message):
    text = run(tmp_path / 'out', *arguments.split(), code=2)
    assert message in text.split('error: ')[1]
    assert not (tmp_path / 'out').exists()


def test_two_comparisons_do_not_write_into_one_folder(run, tmp_path):
    (tmp_path / 'out').mkdir()
    with FileLock(tmp_path / 'out/.lock'):
        assert 'another comparison runs in' in run(tmp_path / 'out', code=1)
    assert [file.name for file in (tmp_path / 'out').iterdir()] == ['.lock']


def test_the_digits_with_the_real_tools(tmp_path, digits, teacher_file):
    text = f'_base_ = {str(ICKD)!r}\ntrain_cfg = dict(max_iters=2, val_interval=2)\n'
    text += f'model = dict(teacher={str(TEACHER)!r}, teacher_ckpt={teacher_file!r})\n'
    for name in ('train', 'val', 'test'):
        loader = f'dict(batch_size=3, dataset=dict(data_root={str(digits)!r}))'
        text += f'{name}_dataloader = {loader}\n'
    config, folder = tmp_path / 'taught.py', tmp_path / 'out'
    config.write_text(text)
    words = [config, '--seeds', '0', '--share-teacher', '--work-dir', folder]
    (tmp_path / 'run.py').write_text(FORKS.format(compare=str(REPO / 'tools/compare.py')))
    done = Forked(tmp_path / 'run.py', *words, output=tmp_path / 'output').wait()
    assert done.returncode == 0, done.stdout
    table = json.loads((folder / 'table.json').read_text())
    ((score,),) = [line['scores'] for line in table['lines']]
    assert 0 < score < 100
    assert any((folder / 'features').iterdir())
    logged = [json.loads(file.read_text()) for file in folder.glob('teacher__*/*/*.json')]
    assert [metrics['mIoU'] for metrics in logged] == [table['teacher']]

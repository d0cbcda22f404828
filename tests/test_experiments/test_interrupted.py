"""A comparison that is killed, and the one that goes on with it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from filelock import FileLock
from support.repository import REPO

# A stand-in for the training tool: notes every start, takes a while, logs one score.
TOOL = """
import json, os, pathlib, sys, time
folder = pathlib.Path(sys.argv[sys.argv.index('--work-dir') + 1])
seed = int(sys.argv[-1].split('=')[1])
with open(folder / 'starts', 'a') as file:
    file.write(f'{os.getpid()}\\n')
time.sleep(float(os.environ.get('TAKES', 1)))
(folder / 'now/vis_data').mkdir(parents=True, exist_ok=True)
score = 40.0 + seed + 5 * ('taught' in sys.argv[1])
lines = [dict(step=1, loss=1.0, time=0.5), dict(step=2, mIoU=score)]
(folder / 'now/vis_data/scalars.json').write_text('\\n'.join(map(json.dumps, lines)))
"""
RUN = """
import pathlib, runpy, sys
import ickd_mm.experiments.run as run
stand_in = pathlib.Path(sys.argv[1])
run.tool = lambda name: stand_in
sys.argv = ['compare.py', *sys.argv[2:]]
runpy.run_path({compare!r}, run_name='__main__')
"""


@pytest.fixture
def start(tmp_path):
    (tmp_path / 'tool.py').write_text(TOOL)
    for name in ('alone', 'taught'):
        (tmp_path / f'{name}.py').write_text("model = dict(type='Plain')\nval_cfg = dict()\n")

    def run(folder, *arguments, takes=1):
        code = RUN.format(compare=str(REPO / 'tools/compare.py'))
        configs = [tmp_path / 'alone.py', tmp_path / 'taught.py']
        words = [tmp_path / 'tool.py', *configs, '--seeds', '0', '1', '--work-dir', folder]
        words += arguments
        return subprocess.Popen(
            [sys.executable, '-c', code, *map(str, words)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ, TAKES=str(takes)),
        )

    return run


def wait_for(condition):
    end = time.time() + 120
    while not condition():
        assert time.time() < end, 'waited in vain'
        time.sleep(0.02)


def alive(pid):
    try:
        return open(f'/proc/{pid}/stat').read().split(')')[1].split()[0] != 'Z'
    except OSError:
        return False


def rows(folder):
    table = json.loads((folder / 'table.json').read_text())
    return [(line['name'], line['scores'], line['gain']) for line in table['lines']]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != 'linux', reason='processes are asked about in /proc')
def test_kill_9_and_again_gives_the_same_table_and_repeats_no_finished_run(start, tmp_path):
    folder = tmp_path / 'killed'
    first = start(folder)
    wait_for(lambda: list(folder.glob('*/result.json')))
    (finished,) = folder.glob('*/result.json')
    wait_for(lambda: len(list(folder.glob('*/starts'))) == 2)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    (cut,) = [file for file in folder.glob('*/starts') if file.parent != finished.parent]
    pid = int(cut.read_text())
    wait_for(lambda: not alive(pid))
    assert not (cut.parent / 'result.json').exists()

    second = start(folder)
    _, error = second.communicate(timeout=120)
    assert second.returncode == 0, error
    starts = {file.parent.name: len(file.read_text().split()) for file in folder.glob('*/starts')}
    assert starts.pop(finished.parent.name) == 1 and starts.pop(cut.parent.name) == 2
    assert list(starts.values()) == [1, 1]

    whole = start(tmp_path / 'whole')
    _, error = whole.communicate(timeout=120)
    assert whole.returncode == 0, error
    assert rows(folder) == rows(tmp_path / 'whole')
    assert rows(folder)[1] == ('taught', [45.0, 46.0], 5.0)
    assert {'table.json', 'table.csv', 'curves.png'} <= {file.name for file in folder.iterdir()}


@pytest.mark.slow
def test_what_fails_is_said_at_the_end_and_the_rest_is_a_table(start, tmp_path):
    tool = tmp_path / 'tool.py'
    tool.write_text(tool.read_text() + "if 'alone' in sys.argv[1]: sys.exit('no luck')\n")
    done = start(tmp_path / 'out', takes=0)
    _, error = done.communicate(timeout=120)
    assert done.returncode == 1
    assert '2 failed, the next call tries again' in error and 'alone seed=1' in error
    assert rows(tmp_path / 'out') == [('taught', [45.0, 46.0], None)]  # over what has no result


@pytest.mark.slow
def test_a_value_that_fits_nowhere_is_said_at_once(start, tmp_path):
    done = start(tmp_path / 'out', '--vary', 'model.type.x=1', takes=0)
    _, error = done.communicate(timeout=120)
    assert done.returncode == 2 and 'compare.py: error: --vary model.type.x=1: ' in error
    assert not (tmp_path / 'out').exists()


@pytest.mark.slow
def test_a_score_that_finished_runs_lack_is_said_and_moves_nothing(start, tmp_path):
    assert start(tmp_path / 'out', takes=0).wait(120) == 0
    before = sorted(path.name for path in (tmp_path / 'out').iterdir())
    done = start(tmp_path / 'out', '--metric', 'mDcie', takes=0)
    _, error = done.communicate(timeout=120)
    assert done.returncode == 1 and 'no score mDcie; its validations logged mIoU' in error
    assert 'Traceback' not in error
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == before


@pytest.mark.slow
def test_two_comparisons_do_not_write_into_one_folder(start, tmp_path):
    (tmp_path / 'out').mkdir()
    with FileLock(tmp_path / 'out/.lock'):
        second = start(tmp_path / 'out', takes=0)
        _, error = second.communicate(timeout=120)
    assert second.returncode == 2 and 'another comparison runs in' in error
    assert [file.name for file in (tmp_path / 'out').iterdir()] == ['.lock']

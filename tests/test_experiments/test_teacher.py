"""The teacher's score in a comparison, through tools/test.py or a quick stand-in for it."""

import textwrap

import pytest
from support.repository import ICKD, TEACHER, data_options
from support.tools import run_tool

from ickd_mm.experiments import teacher as teacher_module
from ickd_mm.experiments.grid import lay_out
from ickd_mm.experiments.teacher import teacher_score

TOOL = """
import json, pathlib, sys
assert '--teacher' in sys.argv
folder = pathlib.Path(sys.argv[sys.argv.index('--work-dir') + 1])
with open(folder / 'starts', 'a') as file:
    file.write('x')
options = dict(o.split('=') for o in sys.argv[sys.argv.index('--cfg-options') + 1:])
if options['lr'] == '13':
    sys.exit('no such teacher')
(folder / 'now').mkdir(parents=True, exist_ok=True)
(folder / 'now/now.json').write_text(json.dumps(dict(aAcc=80.0, mIoU=60.0)))
"""


@pytest.fixture
def configs(tmp_path, monkeypatch):
    (tmp_path / 'test.py').write_text(textwrap.dedent(TOOL))
    monkeypatch.setattr(teacher_module, 'tool', lambda name: tmp_path / name)
    (tmp_path / 'alone.py').write_text("model = dict(type='EncoderDecoder')\nval_cfg = dict()\n")
    (tmp_path / 'taught.py').write_text(
        "model = dict(type='ickd_mm.FeatureDistiller')\nval_cfg = dict()\n"
    )
    return [str(tmp_path / 'alone.py'), str(tmp_path / 'taught.py')]


def cells(configs, tmp_path, lr='1'):
    return lay_out(configs, [0, 1], [[(('lr', lr),)]], tmp_path / 'out')


def test_scored_once_and_remembered(configs, tmp_path):
    assert teacher_score(cells(configs, tmp_path), tmp_path / 'out') == 60.0
    assert teacher_score(cells(configs, tmp_path), tmp_path / 'out') == 60.0
    assert (tmp_path / 'out/teacher/starts').read_text() == 'x'
    assert teacher_score(cells(configs, tmp_path, lr='2'), tmp_path / 'out') == 60.0
    assert (tmp_path / 'out/teacher/starts').read_text() == 'xx'


def test_plain_configs_have_no_teacher(configs, tmp_path):
    assert teacher_score(cells(configs[:1], tmp_path), tmp_path / 'out') is None
    assert not (tmp_path / 'out').exists()


def test_several_teachers_have_no_one_score(configs, tmp_path):
    (tmp_path / 'a.pth').write_bytes(b'a')
    other = tmp_path / 'other.py'
    other.write_text(
        f"model = dict(type='ickd_mm.FeatureDistiller', teacher_ckpt={str(tmp_path / 'a.pth')!r})\n"
        'val_cfg = dict()\n'
    )
    with pytest.warns(UserWarning, match='2 different teachers'):
        assert teacher_score(cells([*configs, str(other)], tmp_path), tmp_path / 'out') is None
    checkpoints = [(('model.teacher.init_cfg.checkpoint', x),) for x in 'ab']
    varied = lay_out(configs[1:], [0], [checkpoints], tmp_path / 'out')
    with pytest.warns(UserWarning, match='2 different teachers'):
        assert teacher_score(varied, tmp_path / 'out') is None
    again = tmp_path / 'again.py'
    again.write_text(
        "model = dict(type='ickd_mm.FeatureDistiller', pairs=dict())\nval_cfg = dict()\n"
    )
    assert teacher_score(cells([*configs, str(again)], tmp_path), tmp_path / 'out') == 60.0


def test_a_teacher_that_fails_shows_why(configs, tmp_path):
    with pytest.raises(RuntimeError, match='no such teacher'):
        teacher_score(cells(configs, tmp_path, lr='13'), tmp_path / 'out')


@pytest.mark.slow
def test_the_tools_own_score(tmp_path, digits, teacher_file):
    options = [
        *data_options(digits),
        f'model.teacher={TEACHER}',
        f'model.teacher_ckpt={teacher_file}',
    ]
    choice = tuple(tuple(option.split('=')) for option in options)
    laid_out = lay_out([str(ICKD)], [0], [[choice]], tmp_path / 'out')
    score = teacher_score(laid_out, tmp_path / 'out')
    tool, own = TEACHER.parents[2] / 'tools/test.py', tmp_path / 'own'
    done = run_tool(tool, ICKD, '--teacher', '--work-dir', own, '--cfg-options', *options)
    assert 0 < score < 100 and f'mIoU: {score:.4f}' in done.stdout + done.stderr

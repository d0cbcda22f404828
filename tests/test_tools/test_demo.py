"""The demo, with two iterations for each training, and the teacher that it ships."""

import json
import re

import pytest
from support.forking import Forked
from support.repository import ICKD, REPO, data_options
from support.tools import run_tool, succeed

from ickd_mm.commands.demo import command

pytestmark = pytest.mark.slow


def test_the_shipped_teacher_knows_the_digits(digits, tmp_path):
    """Scenes of another seed; the full score is in docs/demo.md."""
    words = (ICKD, '--teacher', '--work-dir', tmp_path, '--cfg-options', *data_options(digits))
    done = succeed(run_tool(REPO / 'tools/test.py', *words))
    assert 60 < float(re.findall(r'mIoU: ([\d.]+)', done.stdout + done.stderr)[-1]) < 100
    assert (REPO / 'weights/pspnet_teacher_digits.safetensors').stat().st_size < 5e6


RUN = """
import ickd_mm.commands.compare.jobs as jobs
from ickd_mm.commands.demo import command
from support.forked_children import fork_children
fork_children()
jobs.EVERY = 0
short = (('train_cfg.max_iters', '2'), ('train_dataloader.batch_size', '4'))
command.run_demo(seed=5, full=True, options=short)
"""


def test_the_whole_demo(digits, tmp_path):
    for name in ('configs', 'weights'):
        (tmp_path / name).symlink_to(REPO / name)
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data/digits').symlink_to(digits)
    (tmp_path / 'run.py').write_text(RUN)
    done = Forked(tmp_path / 'run.py', output=tmp_path / 'output', cwd=tmp_path).wait()

    shown = succeed(done).stdout
    assert re.search(r'0/2 runs, .* elapsed, .*student alone \d/2, student \+ ICKD \d/2', shown)
    table = {line.strip('│ ').split('│')[0].strip(): line for line in shown.splitlines()}
    summary = json.loads((tmp_path / 'work_dirs/demo/summary.json').read_text())
    assert (summary['metric'], summary['seed']) == ('mIoU', 5)
    for name, label in command.LABELS.items():
        assert 0 <= summary[name] <= 100
        assert summary['seconds'][name] > 0
        assert f'{summary[name]:.1f}' in table[label]
    own = (tmp_path / 'work_dirs/demo/ickd/pspnet_digits.py').read_text()
    assert 'work_dirs/demo/teacher/iter_2.pth' in own
    assert (tmp_path / 'work_dirs/demo/summary.png').stat().st_size > 10_000

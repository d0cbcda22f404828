"""CONTRIBUTING.md's example of a new loss: its file, its test and its config work as they stand."""

import os
import re
import shutil
import subprocess
import sys
import textwrap

import pytest
from support.repository import REPO


@pytest.mark.slow
def test_the_example_works_as_it_stands(tmp_path):
    text = (REPO / 'CONTRIBUTING.md').read_text(encoding='utf-8')
    blocks = re.findall(r'^ *```python\n(.*?)```', text, re.S | re.M)
    loss, its_test, config = map(textwrap.dedent, blocks)
    ignored = shutil.ignore_patterns('.mim', '__pycache__')
    shutil.copytree(REPO / 'ickd_mm', tmp_path / 'ickd_mm', ignore=ignored)
    (tmp_path / 'ickd_mm/.mim').mkdir()
    for name in ('configs', 'model-index.yml'):
        (tmp_path / 'ickd_mm/.mim' / name).symlink_to(REPO / name)
    (tmp_path / 'configs').symlink_to(REPO / 'configs')
    (tmp_path / 'ickd_mm/losses/cosine.py').write_text(loss, encoding='utf-8')
    (tmp_path / 'test_cosine.py').write_text(its_test)
    (tmp_path / 'mine.py').write_text(config)

    def run(*words):
        env = {**os.environ, 'PYTHONPATH': str(tmp_path), 'COLUMNS': '120'}
        command = [sys.executable, *map(str, words)]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, (done.stdout + done.stderr)[-1500:]
        return done.stdout

    assert '2 passed' in run('-m', 'pytest', '-p', 'no:cacheprovider', 'test_cosine.py')
    shown = run(REPO / 'tools/inspect_model.py', 'mine.py')
    assert 'loss_icc: CosineDistance()' in shown

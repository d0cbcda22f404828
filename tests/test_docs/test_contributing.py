"""CONTRIBUTING.md's example of a new loss is one file and one config line."""

import os
import re
import shutil
import subprocess
import sys
import textwrap

import pytest
from support.repository import REPO

TRY = """
import torch
import ickd_mm
from ickd_mm.registry import MODELS

loss = MODELS.build(dict(type='ickd_mm.CosineDistance', loss_weight=2.0))
student = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).requires_grad_()
value = loss(student, torch.tensor([1.0, 1.0]).view(1, 2, 1, 1))
value.backward()
print(ickd_mm.__file__, value.item(), *student.grad.flatten().tolist())
"""


def test_the_example_works_as_it_stands(tmp_path):
    text = (REPO / 'CONTRIBUTING.md').read_text(encoding='utf-8')
    code = re.search(r'```python\n(.*?)```', text, re.S).group(1)
    config_line = re.search(r"`loss=(dict\(type='ickd_mm.CosineDistance'.*?\))`", text).group(1)
    assert config_line in TRY
    package = tmp_path / 'ickd_mm'
    shutil.copytree(REPO / 'ickd_mm', package, ignore=shutil.ignore_patterns('.mim', '__pycache__'))
    (package / 'losses/cosine.py').write_text(textwrap.dedent(code), encoding='utf-8')
    done = subprocess.run(
        [sys.executable, '-c', TRY],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-800:]
    file, *numbers = done.stdout.split()
    assert file == str(package / '__init__.py')
    assert [float(n) for n in numbers] == pytest.approx([2 - 2**0.5, 0, -(2**0.5)], abs=1e-6)

"""The networks need mmpretrain; nothing else of the package does."""

import subprocess
import sys

import pytest
from support.repository import REPO

pytestmark = pytest.mark.slow

HIDDEN = 'import sys; sys.modules[{package!r}] = None\n'  # as if it were not installed


def python(code):
    return subprocess.run(
        [sys.executable, '-c', code], cwd=REPO, capture_output=True, text=True, timeout=300
    )


def test_a_segmentation_run_imports_no_mmpretrain():
    done = python(
        'import sys, ickd_mm; from ickd_mm.registry import MODELS; '
        "assert MODELS.get('ickd_mm.ICKDLoss'); assert 'mmpretrain' not in sys.modules; "
        "assert MODELS.get('ickd_mm.CIFARVGG'); assert 'mmpretrain' in sys.modules"
    )
    assert done.returncode == 0, done.stderr[-800:]


def test_without_mmpretrain_the_rest_works_and_the_error_says_what_is_missing():
    done = python(
        HIDDEN.format(package='mmpretrain')
        + 'from ickd_mm.registry import MODELS\n'
        + "MODELS.build(dict(type='ickd_mm.ICKDLoss'))\n"
        + "MODELS.build(dict(type='ickd_mm.CIFARVGG', depth=8))\n"
    )
    assert 'mmpretrain is not installed' in done.stderr
    assert 'line 4, in <module>' in done.stderr  # the network's, not the loss's


def test_the_losses_import_without_mmengine():
    done = python(HIDDEN.format(package='mmengine') + 'from ickd_mm import ICKDLoss; ICKDLoss()')
    assert done.returncode == 0, done.stderr[-800:]

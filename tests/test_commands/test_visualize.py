"""tools/visualize.py: the files it writes, what they hold, and what it refuses."""

import base64
import re

import numpy as np
import pytest
from PIL import Image
from support.repository import ICKD, REPO, STUDENT, TEACHER
from support.tools import run_tool, succeed

from ickd_mm.checkpoint.export import export_student
from ickd_mm.commands.visualize.channels import choose

TOOL = REPO / 'tools/visualize.py'


def test_channels_that_agree_and_channels_that_do_not():
    cosines = np.eye(7)
    cosines[1:5, 1:5] = 0.9
    cosines[2, 4] = cosines[4, 2] = 0.99
    cosines[0, 1:5] = cosines[1:5, 0] = 0.3
    np.fill_diagonal(cosines, 1)
    cosines[6] = cosines[:, 6] = 0  # dead
    alike, different = choose(cosines, 3)
    assert alike[0] in (2, 4)
    assert set(alike) < {1, 2, 3, 4}
    assert different == [alike[0], 5, 0]
    assert choose(np.eye(2), 3) == ([0, 1], [0, 1])


@pytest.fixture
def options(digits, teacher_file):
    return [
        f'model.teacher={TEACHER}',
        f'model.teacher_ckpt={teacher_file}',
        f'val_dataloader.dataset.data_root={digits}',
        f'test_dataloader.dataset.data_root={digits}',
    ]


def visualize(*args, options=()):
    return run_tool(TOOL, *args, '--cfg-options', *options)


@pytest.mark.slow
def test_pictures_of_two_students(tmp_path, options, distilled):
    """The run's checkpoint is compared through its connector; the exported one cannot be."""
    checkpoint, exported = distilled[1] / 'iter_6.pth', tmp_path / 'exported.pth'
    export_student(checkpoint, exported)
    out = tmp_path / 'out'
    flags = ['--images', 0, 3, '--names', 'after', 'exported', '--out', out]
    done = succeed(visualize(ICKD, checkpoint, exported, *flags, options=options))
    found = dict(re.findall(r'^  (.*): (\S+)$', done.stdout, re.M))
    before = 'student before distillation (random weights, seed 0)'
    assert found['exported'] == 'none'
    assert 0 < float(found['after']) < float(found[before]) < 2
    names = [f'loss_icc_{kind}.png' for kind in ('0', '1', 'channels', 'mean')]
    files = sorted(out.glob('*.png'))
    assert [file.name for file in files] == names
    assert all(len(np.unique(np.asarray(Image.open(file)))) > 100 for file in files)
    page = (out / 'index.html').read_text()
    inside = [base64.b64decode(data) for data in re.findall(r'data:image/png;base64,([^"]+)', page)]
    assert sorted(inside) == sorted(file.read_bytes() for file in files)
    assert not re.search(r'(src|href)="(?!data:)', page)


@pytest.mark.slow
def test_center_changes_the_distance(tmp_path, options, distilled):
    checkpoint, found = distilled[1] / 'iter_6.pth', []
    for flags in ((), ('--no-center',), ('--center',)):
        arguments = (ICKD, checkpoint, '--images', 0, '--out', tmp_path, *flags)
        done = succeed(visualize(*arguments, options=options))
        found.append(re.search(r'iter_6.pth: (\S+)', done.stdout).group(1))
    assert found[0] == found[2] != found[1]  # the config's loss is centred


@pytest.mark.slow
@pytest.mark.parametrize(
    ('args', 'message'),
    [
        ((STUDENT,), 'needs a distilled config'),
        ((ICKD, '--pair', 'loss_x'), "--pair: no pair 'loss_x'; the config has loss_icc"),
        ((ICKD, '--images', '77'), 'images: no sample 77, the validation set has 6'),
        ((ICKD, '--names', 'a'), '--names has 1 names for 0 checkpoints'),
        ((ICKD, 'absent.pth'), "checkpoint 'absent.pth' does not exist"),
        (('absent.py',), "config: no config file 'absent.py'"),
    ],
)
def test_what_is_refused(args, message, options):
    config_options = options if args[0] == ICKD else []
    done = run_tool(TOOL, *args, *(['--cfg-options', *config_options] if config_options else []))
    assert done.returncode == 2
    assert message in done.stderr

"""A teacher of another library, a backbone alone, through the command-line tools."""

import pytest
import torch
from mmengine.config import ConfigDict
from support.models import VIT
from support.repository import ICKD, REPO, STUDENT, data_options, model_config
from support.tools import load, run_tool, scalars, succeed, train

from ickd_mm.registry import MODELS

pytestmark = pytest.mark.slow

BACKBONE = dict(VIT['backbone'], type='mmpretrain.VisionTransformer')
CONFIG = """
_base_ = {base!r}
teacher_val = False
model = dict(
    teacher={teacher!r},
    teacher_ckpt={file!r},
    teacher_run=dict(size=96),
    pairs=dict(loss_icc=dict(teacher='backbone[0]')),
)
"""


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp('foreign')
    backbone = MODELS.build(ConfigDict(BACKBONE))
    torch.save(backbone.state_dict(), folder / 'backbone.pth')
    file = folder / 'foreign.py'
    teacher = dict(BACKBONE, _delete_=True)  # the inherited one is a config's name
    values = dict(base=str(ICKD), teacher=teacher, file=str(folder / 'backbone.pth'))
    file.write_text(CONFIG.format(**values))
    return file


@pytest.fixture(scope='module')
def options(digits):
    return [*data_options(digits), 'train_cfg.max_iters=2', 'train_cfg.val_interval=2']


def test_it_trains_a_segmenter(config, options, tmp_path, scope):
    done = succeed(train(config, tmp_path, *options))
    output = done.stdout + done.stderr
    about = next(line for line in output.splitlines() if "Teacher: 'mmpretrain.VisionTr" in line)
    assert ', read as the backbone alone; ' in about
    assert about.endswith(", on images of 96x96, resized from the student's")
    assert 'teacher backbone[0] (N, 24, 3, 3)' in output
    assert len([row for row in scalars(tmp_path) if row.get('loss_icc', 0) > 0]) == 2
    student = MODELS.build(ConfigDict(model_config(STUDENT.stem)))
    student.load_state_dict(load(tmp_path / 'iter_2.pth')['state_dict'], strict=True)


def test_it_has_no_score(config, options, tmp_path):
    said = 'the teacher is a backbone alone (VisionTransformer): it gives features and predicts'
    done = train(config, tmp_path, *options, 'teacher_val=True')
    assert done.returncode != 0
    assert said in done.stderr
    words = ('--teacher', '--work-dir', tmp_path, '--cfg-options', *options)
    done = run_tool(REPO / 'tools/test.py', config, *words)
    assert done.returncode != 0
    assert said in done.stderr

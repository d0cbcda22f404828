"""What comes out is a plain student: for mmseg, for test.py, for export."""

import os
import re
import shutil
from importlib import metadata

import pytest
from support.plainly import run_plainly
from support.repository import ICKD, REPO, STUDENT, TEACHER
from support.tools import load, run_tool, succeed, train

pytestmark = pytest.mark.slow


NO_TORCHVISION = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'torchvision':
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
"""


def is_lite():
    return any(d.metadata['Name'] == 'mmcv-lite' for d in metadata.distributions())


ALONE = """
from mmseg.apis import MMSegInferencer, init_model
image = torch.arange(64 * 64 * 3).reshape(64, 64, 3).numpy().astype('uint8')
found = []
for file in sys.argv[2:]:
    inferencer = MMSegInferencer(None, weights=file, device='cpu')
    found.append(inferencer(image)['predictions'].tolist())
    assert type(inferencer.model).__name__ == 'EncoderDecoder'
init_model(sys.argv[1], sys.argv[2], device='cpu')
assert 'ickd_mm' not in sys.modules
assert all(len(set(map(str, found[0]))) > 1 and one == found[0] for one in found)
"""


@pytest.fixture(scope='module')
def plain(distilled, tmp_path_factory):
    """Folder of an export; plain mmseg has read it and the run's checkpoint there."""
    run, folder = distilled[1] / 'iter_6.pth', tmp_path_factory.mktemp('plain')
    files = folder / 'student.py', folder / 'student.pth', run
    succeed(run_tool(REPO / 'tools/export_student.py', run, files[1], '--config'))
    done = run_plainly(ALONE, *files, cwd=folder)
    assert 'unexpected key' not in done.stdout + done.stderr
    return folder


def miou(done):
    return float(re.findall(r'mIoU: ([\d.]+)', done.stdout + done.stderr)[-1])


def test_test_py_scores_the_student_and_the_teacher(distilled, teacher_file, tmp_path):
    options, folder = distilled
    tool = REPO / 'tools/test.py'
    checkpoint = folder / 'iter_6.pth'
    tail = ('--work-dir', tmp_path, '--cfg-options', *options)
    data = [o for o in options if not o.startswith('model')]
    through_distiller = succeed(run_tool(tool, ICKD, checkpoint, *tail))
    alone = ('--work-dir', tmp_path, '--cfg-options', *data)
    plain = succeed(run_tool(tool, STUDENT, checkpoint, *alone))
    assert miou(through_distiller) == miou(plain)
    for done in (through_distiller, plain):
        assert 'teacher.pth' not in done.stdout + done.stderr
        assert 'unexpected key' not in done.stdout + done.stderr
    expected = miou(succeed(run_tool(tool, TEACHER, teacher_file, *alone)))
    for words in ((), (checkpoint,)):  # a student's checkpoint is not the teacher's weights
        teacher = succeed(run_tool(tool, ICKD, *words, '--teacher', *tail))
        assert miou(teacher) == expected
        assert f'Scores the teacher, {teacher_file}' in teacher.stdout


def test_a_teacher_that_does_not_fit_is_not_scored(distilled, tmp_path):
    options, folder = distilled
    other = f'model.teacher_ckpt={folder / "iter_6.pth"}'
    args = (ICKD, '--teacher', '--work-dir', tmp_path, '--cfg-options', *options, other)
    done = run_tool(REPO / 'tools/test.py', *args)
    assert done.returncode != 0
    assert 'does not fit the teacher' in done.stderr


def test_test_py_wants_a_checkpoint_or_the_teacher():
    done = run_tool(REPO / 'tools/test.py', ICKD)
    assert done.returncode == 2
    assert 'name the checkpoint to test, or --teacher' in done.stderr


def test_a_file_alone_is_enough_for_plain_mmseg(plain, distilled, tmp_path):
    """The config that an export, and a checkpoint of a run that was resumed, carries."""
    options, folder = distilled
    shutil.copy(folder / 'iter_3.pth', tmp_path)
    flags = ('--resume', tmp_path / 'iter_3.pth')
    succeed(train(ICKD, tmp_path / 'resumed', *options, 'train_cfg.max_iters=4', flags=flags))
    resumed = load(tmp_path / 'resumed/iter_4.pth')
    info = resumed['message_hub']['runtime_info']
    for text in (resumed['meta']['cfg'], info['cfg'], (plain / 'student.py').read_text()):
        assert "type='EncoderDecoder'" in text
        assert 'ickd_mm' not in text


def test_an_exported_student_loads_strictly(distilled, scope, tmp_path):
    from support.repository import model_config

    from ickd_mm.registry import MODELS

    _, folder = distilled
    out = tmp_path / 'student.pth'
    succeed(run_tool(REPO / 'tools/export_student.py', folder / 'iter_6.pth', out))
    student = MODELS.build(model_config('pspnet_student_digits'))
    student.load_state_dict(load(out)['state_dict'], strict=True)
    assert out.stat().st_size < (folder / 'iter_6.pth').stat().st_size / 2


def test_mmsegs_own_train_script_trains_a_distiller(distilled, tmp_path):
    """No tool of this project takes part.

    On mmcv-lite the shipped config imports ickd_mm early, since mmseg itself does not import
    there. Elsewhere nothing is imported by name; torchvision is hidden, because mmengine asks for
    its version and a build for another CUDA than torch's does not import.
    """
    import mmseg

    options, _ = distilled
    config, env = ICKD, {}
    if not is_lite():
        (tmp_path / 'sitecustomize.py').write_text(NO_TORCHVISION)
        env = dict(PYTHONPATH=str(tmp_path))
        config = tmp_path / 'own.py'
        config.write_text(f'_base_ = {str(ICKD)!r}\ncustom_imports = None\n')
    script = os.path.join(os.path.dirname(mmseg.__file__), '.mim/tools/train.py')
    args = ('--work-dir', tmp_path, '--cfg-options', *options, 'train_cfg.max_iters=3')
    succeed(run_tool(script, config, *args, env=env))
    written = load(tmp_path / 'iter_3.pth')
    assert set(written['state_dict']) == set(load(distilled[1] / 'iter_3.pth')['state_dict'])
    assert not any(key.startswith('connectors') for key in written['state_dict'])
    assert written['ickd_mm']

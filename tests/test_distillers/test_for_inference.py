"""A distilled config in tools that do not train: they get the student, or are told what to take."""

import json
import runpy
import sys
from pathlib import Path

import mmseg
import pytest
from mmengine.config import Config, ConfigDict
from mmseg.apis import init_model
from mmseg.models import EncoderDecoder
from support.repository import ICKD, REPO
from support.tools import load

from ickd_mm import FeatureDistiller
from ickd_mm.registry import MODELS

TOOLS = Path(mmseg.__file__).parent / '.mim/tools'


@pytest.fixture
def no_teacher():
    """The distilled digits config; its teacher is not there."""
    cfg = Config.fromfile(ICKD)
    cfg.model.teacher_ckpt = 'none.pth'
    return cfg


def test_init_model(no_teacher, scope):
    model = init_model(no_teacher, device='cpu')
    assert type(model) is EncoderDecoder
    assert not any(key.startswith(('connectors', 'losses')) for key in model.state_dict())
    assert model.cfg is no_teacher


@pytest.mark.parametrize('told', [dict(pretrained=None), dict(train_cfg=None)])
@pytest.mark.parametrize('by_class', [True, False])
def test_what_tools_for_inference_set(no_teacher, scope, told, by_class):
    """One of the two alone, and a distiller of the user's own, as a class."""

    class MyFeatureDistiller(FeatureDistiller):
        pass

    kind = MyFeatureDistiller if by_class else 'ickd_mm.FeatureDistiller'
    assert type(MODELS.build(ConfigDict(no_teacher.model, **told, type=kind))) is EncoderDecoder


def test_a_student_of_a_file_and_its_preprocessor(no_teacher, scope):
    model = no_teacher.model
    model.data_preprocessor = model.student.pop('data_preprocessor')
    model = MODELS.build(ConfigDict(model, pretrained=None))
    assert model.data_preprocessor.size == (64, 64)


@pytest.mark.parametrize('told', [dict(pretrained='a.pth'), dict(train_cfg=dict())])
def test_a_distiller_has_no_such_keys_itself(no_teacher, scope, told):
    with pytest.raises(TypeError, match='unexpected keyword argument'):
        MODELS.build(ConfigDict(no_teacher.model, **told))


def test_without_the_teacher_the_message_names_the_students_config(no_teacher, scope):
    with pytest.raises(FileNotFoundError) as caught:
        MODELS.build(no_teacher.model)
    assert str(caught.value) == (
        f"teacher_ckpt 'none.pth' does not exist (looked in {Path.cwd()}); without a teacher, a "
        'trained student runs from its own config, which export_student.py --config writes'
    )


MESSAGE = (
    "model.decode_head: the model is a distiller, and only its student has 'decode_head'. Give the "
    "student's own config: the one that this config inherits, or the one that "
    'tools/export_student.py CHECKPOINT student.pth --config writes. For parameters and FLOPs of a '
    'distilled config, run tools/inspect_model.py'
)


def run(tool, monkeypatch, *words):
    monkeypatch.setattr(sys, 'argv', [tool, *map(str, words)])
    return runpy.run_path(str(TOOLS / 'analysis_tools' / tool), run_name='__main__')


def test_mmsegs_get_flops(teacher_file, tmp_path, monkeypatch):
    teacher = REPO / 'configs/baselines/pspnet_teacher_digits.py'
    own = dict(teacher=str(teacher), teacher_ckpt=teacher_file)
    (tmp_path / 'own.py').write_text(f'_base_ = {str(ICKD)!r}\nmodel = {own!r}\n')
    with pytest.raises(AttributeError) as caught:
        run('get_flops.py', monkeypatch, tmp_path / 'own.py', '--shape', 64)
    assert str(caught.value) == MESSAGE


@pytest.mark.parametrize('key', ['backbone', 'auxiliary_head', 'pretrained'])
def test_other_keys_of_the_student(no_teacher, key):
    no_teacher.model.student.setdefault(key, None)
    with pytest.raises(AttributeError, match=f'model.{key}: the model is a distiller'):
        getattr(no_teacher.model, key)


def test_other_missing_keys_fail_as_ever(no_teacher):
    for node in (no_teacher.model, no_teacher.model.student, ConfigDict(student=1)):
        with pytest.raises(AttributeError, match="'ConfigDict' object has no attribute 'neck2'"):
            node.neck2  # noqa: B018


@pytest.mark.slow
def test_with_a_checkpoint(distilled, digits, no_teacher, tmp_path, monkeypatch, capsys):
    """mmseg's benchmark.py and init_model; 200 images are timed."""
    checkpoint = distilled[1] / 'iter_6.pth'
    test = no_teacher.test_dataloader.to_dict()
    many = dict(dict(test['dataset'], data_root=str(digits)), type='BaseSegDataset')
    test['dataset'] = dict(type='RepeatDataset', dataset=many, times=34, _delete_=True)
    text = f'_base_ = {str(ICKD)!r}\nmodel = dict(teacher_ckpt="none.pth")\n'
    (tmp_path / 'own.py').write_text(f'{text}test_dataloader = {test!r}\n')
    run('benchmark.py', monkeypatch, tmp_path / 'own.py', checkpoint, '--work-dir', tmp_path)
    found = json.loads(next(tmp_path.glob('fps_*.json')).read_text())
    assert found['average_fps'] > 0

    model = init_model(str(tmp_path / 'own.py'), str(checkpoint), device='cpu')
    written = load(checkpoint)['state_dict']
    assert model.state_dict().keys() == written.keys()
    assert all(value.equal(written[key]) for key, value in model.state_dict().items())
    assert 'unexpected key' not in capsys.readouterr().out

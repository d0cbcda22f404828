"""Inspecting a config says what training it would do, without weights."""

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from support.repository import REPO

from ickd_mm.commands.inspect.inspect_config import describe_weights, inspect_config
from ickd_mm.preflight.model_source import ModelSource

pytestmark = pytest.mark.slow

PSPNET = REPO / 'configs/ickd/pspnet_digits.py'
RESNET = REPO / 'configs/ickd/resnet_digits.py'


def test_pairs_are_those_of_the_distiller(distiller):
    cfg = Config.fromfile(PSPNET)
    found = inspect_config(cfg)
    (match,) = found.matches
    (pair,) = distiller.pairs
    assert match.name == pair.name
    assert match.loss == str(pair.loss)
    assert match.student == pair.student.path
    assert match.teacher == pair.teacher.path
    assert match.student_shape == (64, 16, 16)
    assert match.connected_shape == match.teacher_shape == (192, 16, 16)
    assert match.parameters == sum(p.numel() for p in pair.connector.parameters())
    teacher = ModelSource.read(cfg.model.teacher, 'teacher').build('teacher')
    assert found.models['teacher'].parameters == sum(p.numel() for p in teacher.parameters())
    assert found.models['student'].size == (64, 64)


@pytest.mark.parametrize(
    ('ckpt', 'said'),
    [
        ('absent.pth', "'absent.pth' (no such file yet)"),
        (str(RESNET), repr(str(RESNET))),
        (None, 'None (missing: training needs a path, a URL or zoo)'),
        ('zoo', "'zoo'"),
        ('https://host/file.pth', "'https://host/file.pth'"),
    ],
)
def test_what_is_said_of_the_teachers_weights(ckpt, said):
    assert describe_weights(ckpt) == f'weights were not looked at: teacher_ckpt = {said}'


def test_images_of_another_size():
    cfg = Config.fromfile(RESNET)
    cfg.model.teacher_ckpt = 'absent.pth'
    found = inspect_config(cfg, (32, 48))
    assert found.matches[0].student_shape == (64, 4, 6)
    assert found.models['teacher'].size == (32, 48)
    assert 'no such file yet' in found.weights


def test_a_pair_without_connector():
    cfg = Config.fromfile(RESNET)
    pair = dict(student='head.fc', teacher='head.fc', loss=dict(type='torch.nn.MSELoss'))
    cfg.model.pairs = dict(loss_logits=pair)
    (match,) = inspect_config(cfg, (32, 32)).matches
    assert match.connector == ''
    assert match.parameters == 0
    assert match.student_shape == match.connected_shape == match.teacher_shape == (10,)


def test_a_preprocessor_beside_the_model():
    cfg = Config.fromfile(REPO / 'configs/baselines/pspnet_student_digits.py')
    cfg.data_preprocessor = cfg.model.pop('data_preprocessor')
    cfg.data_preprocessor.size = (32, 64)
    assert inspect_config(cfg).models['model'].size == (32, 64)


@pytest.mark.parametrize(
    ('key', 'value', 'error', 'said'),
    [
        ('pairs.loss_icc.student', 'backbone.layr4', KeyError, 'nearest: backbone.layer4'),
        ('pairs.loss_icc.teacher', 'backbone', ValueError, r'pick with backbone\[i\]'),
        ('pairs.loss_icc.loss.grid', 20, ValueError, 'pairs.loss_icc'),
        ('pairs.loss_icc.loss.gird', 2, ValueError, 'pairs.loss_icc.loss'),
        ('teacher', 'absent.py', FileNotFoundError, "teacher: no config file 'absent.py'"),
        ('student', 3, TypeError, 'student must be'),
        ('pairs', {}, ValueError, 'pairs is empty'),
    ],
)
def test_what_training_would_refuse_is_refused(key, value, error, said):
    cfg = Config.fromfile(PSPNET)
    if value:
        cfg.merge_from_dict({f'model.{key}': value})
    else:
        cfg.model[key] = value
    with pytest.raises(error, match=said):
        inspect_config(cfg)


def test_a_config_without_a_model():
    with pytest.raises(ValueError, match='holds no model dict'):
        inspect_config(Config(dict(default_scope='mmseg')))
    init_default_scope('mmseg')


def test_a_student_without_labels_is_shown_as_it_runs_then():
    """Without labels no loss runs, so what only a loss runs cannot be tapped."""
    cfg = Config.fromfile(PSPNET)
    cfg.model.student.auxiliary_head = dict(
        type='FCNHead', in_channels=32, in_index=2, channels=8, num_convs=1, num_classes=11
    )
    for supervised, why in ((True, ''), (False, 'does not run')):
        cfg.model.supervised = supervised
        outputs = inspect_config(cfg).models['student'].outputs
        (conv,) = (output for output in outputs if output.path == 'auxiliary_head.convs.0')
        assert conv.why_not == why

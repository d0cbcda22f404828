"""What 'student' and 'teacher' may be in a config, and the plain models they mean."""

import pytest
from mmengine.config import Config, ConfigDict
from mmseg.models import EncoderDecoder
from torch import nn

from ickd_mm.distillers import FeatureDistiller
from ickd_mm.preflight.model_source import ModelSource, student_config, teacher_config
from ickd_mm.registry import is_distiller, type_name

NEW_STYLE = """
from ickd_mm.distillers import FeatureDistiller
model = dict(type=FeatureDistiller, student=dict(type='A'), teacher=dict(type='B'))
"""


@pytest.mark.parametrize(
    ('model', 'answer'),
    [
        (dict(type='ickd_mm.FeatureDistiller'), True),
        (dict(type='FeatureDistiller'), True),
        (dict(type=FeatureDistiller), True),
        (dict(type=type('MyFeatureDistiller', (FeatureDistiller,), {})), True),
        (dict(type='mmseg.EncoderDecoder'), False),
        (dict(type=dict), False),
        (dict(student=1), False),
        (None, False),
    ],
)
def test_is_distiller(model, answer):
    assert is_distiller(model) is answer


def test_a_pure_python_config_names_the_class_itself(tmp_path):
    file = tmp_path / 'new.py'
    file.write_text(NEW_STYLE)
    cfg = Config.fromfile(file)
    assert type_name(cfg.model) == 'FeatureDistiller'
    assert is_distiller(cfg.model)
    assert student_config(cfg.model).type == 'A'


def test_a_shared_preprocessor_reaches_both():
    shared = dict(mean=[1.0], std=[2.0])
    model = ConfigDict(
        type='ickd_mm.FeatureDistiller', data_preprocessor=shared, teacher_ckpt=__file__,
        student=dict(type='A'), teacher=dict(type='B'),
    )  # fmt: skip
    assert student_config(model).data_preprocessor == shared
    assert teacher_config(model)[0].data_preprocessor == shared
    model.student.data_preprocessor = dict(mean=[3.0])
    assert student_config(model).data_preprocessor == dict(mean=[3.0])
    assert teacher_config(model)[0].data_preprocessor == dict(mean=[3.0])


@pytest.mark.parametrize('kind', ['EncoderDecoder', 'mmseg.EncoderDecoder', EncoderDecoder])
def test_a_shared_preprocessor_is_found_from_another_library(kind):
    """A classifier of mmpretrain may leave out the type that a model of mmseg needs."""
    shared, scope = dict(mean=[1.0], std=[2.0]), dict(_scope_='mmpretrain')
    model = ConfigDict(
        type='ickd_mm.FeatureDistiller', data_preprocessor=shared, teacher_ckpt=__file__,
        student=dict(type='ImageClassifier', **scope), teacher=dict(type=kind),
    )  # fmt: skip
    given = teacher_config(model, scope='mmseg')[0].data_preprocessor
    assert given == shared | scope | dict(type='mmpretrain.ClsDataPreprocessor')
    assert shared == dict(mean=[1.0], std=[2.0])


def test_a_packages_config_without_a_scope_is_read_in_the_packages():
    file = 'mmpretrain::dinov2/vit-base-p14_dinov2-pre_headless.py'
    assert ModelSource.read(file, 'teacher').cfg._scope_ == 'mmpretrain'


def test_a_plain_model_is_its_own_student_and_has_no_teacher():
    model = ConfigDict(type='EncoderDecoder')
    assert student_config(model) == model
    with pytest.raises(ValueError, match='has no teacher: its model is EncoderDecoder'):
        teacher_config(model)


PSPNET = 'mmseg::pspnet/pspnet_r101-d8_4xb4-40k_voc12aug-512x512.py'


def test_a_dict():
    source = ModelSource.read(dict(type='EncoderDecoder'), 'student')
    assert source == ModelSource(ConfigDict(type='EncoderDecoder'), '')


def test_a_file_brings_scope_and_preprocessor(tmp_path):
    file = tmp_path / 'c.py'
    file.write_text(
        "model = dict(type='ImageClassifier')\n"
        "data_preprocessor = dict(mean=[1, 2, 3])\ndefault_scope = 'mmpretrain'\n"
    )
    source = ModelSource.read(str(file), 'teacher')
    assert source.origin == str(file)
    assert source.cfg._scope_ == 'mmpretrain'
    assert source.cfg.data_preprocessor.mean == [1, 2, 3]


def test_a_package_and_path():
    source = ModelSource.read(PSPNET, 'teacher')
    assert source.cfg.backbone.depth == 101
    assert source.origin == PSPNET


@pytest.mark.parametrize(
    ('spec', 'error', 'message'),
    [
        (None, TypeError, 'student must be a model dict'),
        (nn.Identity(), TypeError, 'student must be a model dict.*Identity'),
        ('no/such.py', FileNotFoundError, "no config file 'no/such.py'"),
        ('mmseg::no/such.py', FileNotFoundError, 'mmseg::no/such.py'),
        ('nopackage::a/b.py', FileNotFoundError, 'nopackage::a/b.py'),
        (dict(depth=3), ValueError, "no type.*'depth'"),
        (dict(type='ickd_mm.FeatureDistiller'), TypeError, 'a distiller itself'),
        (dict(type=FeatureDistiller), TypeError, 'a distiller itself'),
    ],
)
def test_anything_else_is_refused(spec, error, message):
    with pytest.raises(error, match=message):
        ModelSource.read(spec, 'student')


def test_a_file_without_a_model(tmp_path):
    (tmp_path / 'c.py').write_text('x = 1\n')
    with pytest.raises(ValueError, match='holds no model dict'):
        ModelSource.read(str(tmp_path / 'c.py'), 'student')


def test_a_prefix_is_not_a_scope_for_what_is_inside(scope):
    def build(kind):
        inside = dict(backbone=dict(type='ResNet_CIFAR', depth=18), data_preprocessor={})
        ModelSource.read(dict(inside, type=kind), 'teacher').build('teacher')

    with pytest.raises(ValueError, match=r"in scope 'mmseg': set _scope_='mmpretrain'"):
        build('mmpretrain.ImageClassifier')
    with pytest.raises(ValueError, match=r'mmpretrain\.Typo is not in') as caught:
        build('mmpretrain.Typo')
    assert 'looked up' not in str(caught.value)

"""Which plain models a distiller's config is made of."""

import pytest
from mmengine.config import Config, ConfigDict

from ickd_mm.distillers import FeatureDistiller
from ickd_mm.distillers.plain import student_config, teacher_config
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
    assert type_name(cfg.model) == 'FeatureDistiller' and is_distiller(cfg.model)
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


def test_a_plain_model_is_its_own_student_and_has_no_teacher():
    model = ConfigDict(type='EncoderDecoder')
    assert student_config(model) is model
    with pytest.raises(ValueError, match='has no teacher: its model is a EncoderDecoder'):
        teacher_config(model)

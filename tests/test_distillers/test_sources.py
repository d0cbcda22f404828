"""What 'student' and 'teacher' may be in a config."""

import pytest
from mmengine.config import ConfigDict
from torch import nn

from ickd_mm.distillers import FeatureDistiller
from ickd_mm.distillers.sources import ModelSource

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

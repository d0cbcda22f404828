"""Which keys a distiller's config may have, also where its class is one of a user's own."""

import pytest
from mmengine.config import Config

from ickd_mm.distillers import FeatureDistiller
from ickd_mm.preflight.config_keys import check_keys, distiller_parameters


class Passing(FeatureDistiller):
    def __init__(self, *args, temperature=1.0, **kwargs):
        super().__init__(*args, **kwargs)


class Closed(FeatureDistiller):
    def __init__(self, student, teacher, teacher_ckpt, pairs):
        super().__init__(student, teacher, teacher_ckpt, pairs)


def config(kind, **more):
    model = dict(student=1, teacher=2, teacher_ckpt='a.pth', pairs={}, type=kind, **more)
    return Config(dict(model=model))


def test_a_class_that_passes_arguments_on_takes_those_of_its_base():
    check_keys(config(Passing, input_size=32, temperature=4.0))
    assert {'pairs', 'temperature', 'input_size'} <= set(distiller_parameters({'type': Passing}))
    with pytest.raises(KeyError, match=r"unknown key 'temprature'.*did you mean 'temperature'"):
        check_keys(config(Passing, temprature=4.0))


def test_a_class_with_arguments_of_its_own_takes_these_alone():
    check_keys(config(Closed))
    assert 'input_size' not in distiller_parameters({'type': Closed})
    with pytest.raises(KeyError, match="unknown key 'input_size'"):
        check_keys(config(Closed, input_size=32))


@pytest.mark.parametrize('kind', [Passing, Closed, 'ickd_mm.FeatureDistiller'])
def test_what_a_class_needs_must_be_there(kind):
    cfg = config(kind)
    cfg.model.pop('teacher_ckpt')
    with pytest.raises(KeyError, match="'teacher_ckpt' is missing"):
        check_keys(cfg)

"""The distiller's ``teacher_run``: what it may hold, and what a wrong one is told."""

import pytest
import torch

from ickd_mm.teachers.options import TeacherOptions


def test_defaults_are_what_is_exact():
    assert TeacherOptions.read(None) == TeacherOptions.read({}) == TeacherOptions()
    run = TeacherOptions()
    assert run.fold
    assert run.channels_last
    assert run.winograd
    assert run.dtype is None
    assert run.compile is False
    assert run.torch_dtype is None


@pytest.mark.parametrize(
    ('name', 'dtype'),
    [('fp32', torch.float32), ('bf16', torch.bfloat16), ('fp16', torch.float16)],
)
def test_dtypes(name, dtype):
    assert TeacherOptions.read(dict(dtype=name)).torch_dtype is dtype


@pytest.mark.parametrize('value', [True, False, dict(mode='max-autotune')])
def test_compile_takes_arguments(value):
    assert TeacherOptions.read(dict(compile=value)).compile == value


@pytest.mark.parametrize(
    ('cfg', 'error', 'message'),
    [
        ('bf16', TypeError, "must be a dict, got 'bf16'"),
        (dict(folds=True), KeyError, "unknown key 'folds'.*may hold fold.*did you mean 'fold'"),
        (dict(precision='bf16'), KeyError, "unknown key 'precision'.*may hold"),
        (dict(fold='yes'), TypeError, "fold must be True or False, got 'yes'"),
        (dict(channels_last=1), TypeError, 'channels_last must be True or False, got 1'),
        (dict(cpu_kernels=0), TypeError, 'cpu_kernels must be True or False, got 0'),
        (dict(winograd=None), TypeError, 'winograd must be True or False, got None'),
        (dict(dtype='half'), ValueError, "one of fp32, bf16, fp16, got 'half'"),
        (dict(dtype=torch.float16), ValueError, 'got torch.float16'),
        (dict(size=0), ValueError, r'size must be None, a positive integer or .*, got 0'),
        (dict(size=(8, 8, 8)), ValueError, r'got \(8, 8, 8\)'),
        (dict(compile='max'), TypeError, "a dict of arguments of torch.compile, got 'max'"),
    ],
)
def test_a_wrong_value_is_named(cfg, error, message):
    with pytest.raises(error, match=message):
        TeacherOptions.read(cfg)


@pytest.mark.parametrize(('size', 'want'), [(None, (8, 9)), (5, (5, 5)), ([6, 7], (6, 7))])
def test_the_size_of_the_teachers_images(size, want):
    assert TeacherOptions.read(dict(size=size)).image_size((8, 9)) == want

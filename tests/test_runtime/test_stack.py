"""The gaps of the stack: closed where they are, nothing done where they are not."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

import ickd_mm
from ickd_mm.runtime import stack


def python(code):
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-800:]
    return done.stdout


@pytest.mark.slow
def test_every_model_of_both_packages_can_be_imported():
    python('import ickd_mm, mmseg.models, mmpretrain.models')


def test_a_missing_operator_explains_itself_when_used():
    ops = stack._MissingOps('mmcv.ops', 'mmcv-lite')
    from torch import nn

    assert not isinstance(nn.Identity(), ops.DeformConv2d)
    said = r'point_sample needs compiled operators, and this environment has mmcv-lite without them'
    with pytest.raises(RuntimeError, match=said):
        ops.point_sample(1, 2)
    with pytest.raises(RuntimeError, match='DeformConv2d needs compiled'):
        ops.DeformConv2d(3, 3)
    extractor = ops.RoIAlign(spatial_scale=0.25, output_size=7)  # of a model that ends before it
    assert not list(extractor.parameters())
    with pytest.raises(RuntimeError, match='RoIAlign needs compiled'):
        extractor(1, 2)
    with pytest.raises(AttributeError):
        ops.__wrapped__  # noqa: B018


@pytest.mark.slow
def test_the_placeholder_is_for_an_mmcv_without_operators_alone_and_mmengine_knows():
    out = python(
        'import ickd_mm, sys; from ickd_mm.runtime.stack import missing_operator; '
        "print(type(sys.modules.get('mmcv.ops')).__name__, bool(missing_operator('nms'))); "
        'from mmcv.ops.nms import batched_nms; print(batched_nms.__module__); '
        'from mmengine.utils.dl_utils import mmcv_full_available; '
        'print(mmcv_full_available())'
    )
    if find_spec('mmcv._ext') is None:
        assert out.split() == ['_MissingOps', 'True', 'mmcv.ops', 'False']
    else:
        assert out.split() == ['NoneType', 'False', 'mmcv.ops.nms', 'True']


@pytest.mark.parametrize('name', ['mmseg', 'mmpretrain', 'ickd_mm'])
def test_configs_of_packages_are_found(name):
    path = {
        'mmseg': 'pspnet/pspnet_r50-d8_4xb4-40k_voc12aug-512x512.py',
        'mmpretrain': 'resnet/resnet18_8xb32_in1k.py',
        'ickd_mm': 'baselines/pspnet_student_digits.py',
    }[name]
    from mmengine.hub import get_config

    assert get_config(f'{name}::{path}').model.type


def test_a_package_that_is_not_there():
    with pytest.raises(ModuleNotFoundError, match='no_such_package is not installed'):
        stack._module_folder('no_such_package')
    assert not stack._is_installed('no_such_package')


def test_a_package_may_be_named_by_its_distribution():
    assert stack._module_folder('pillow').endswith('PIL')


@pytest.mark.slow
def test_the_loss_needs_nothing_but_torch():
    out = python(
        'import sys\n'
        'class Refuse:\n'
        '    def find_spec(self, name, path=None, target=None):\n'
        "        if name.split('.')[0] in ('mmengine', 'mmcv', 'mmseg', 'mmpretrain'):\n"
        '            raise ModuleNotFoundError(name)\n'
        'sys.meta_path.insert(0, Refuse())\n'
        'import torch\n'
        'from ickd_mm import ICKDLoss\n'
        'print(float(ICKDLoss(grid=2)(torch.ones(1, 2, 4, 4), torch.ones(1, 2, 5, 5))))\n'
    )
    assert abs(float(out)) < 1e-6


def test_public_names_are_there():
    for name in ickd_mm.__all__:
        assert getattr(ickd_mm, name) is not None
    with pytest.raises(AttributeError, match='no_such_name'):
        _ = ickd_mm.no_such_name


@pytest.mark.slow
def test_importing_adds_little_to_importing_mmseg():
    """Not ``mmseg.apis``, which imports operators and mmdet, where it is, both without a guard."""
    code = (
        'import time; a = time.perf_counter(); import mmseg, mmengine.runner; '
        'b = time.perf_counter(); import ickd_mm; print((time.perf_counter() - b) / (b - a))'
    )
    assert any(float(python(code)) < 0.05 for _ in range(3))

"""Public teachers of the field become ours: same logits, strictly restored, or an error."""

import argparse

import pytest
import torch
from mmengine.config import ConfigDict
from support.plain_networks import (
    Weights,
    mobilenet_v2,
    resnet,
    resnet50,
    shufflenet_v1,
    shufflenet_v2,
    vgg,
    wide_resnet,
)
from support.recipes import recipe
from support.repository import REPO
from support.tools import load, run_tool, succeed

from ickd_mm.checkpoint.repdistiller import PARAMETERS, convert
from ickd_mm.registry import MODELS
from ickd_mm.runtime.checkpoint_files import install_reader
from ickd_mm.teachers.weights import restore

NARROW, WIDE = (16, 32, 64), (64, 128, 256)
FORWARDS = {
    'resnet20': lambda w, x: resnet(w, x, 20, 16, NARROW),
    'resnet32': lambda w, x: resnet(w, x, 32, 16, NARROW),
    'resnet56': lambda w, x: resnet(w, x, 56, 16, NARROW),
    'resnet110': lambda w, x: resnet(w, x, 110, 16, NARROW),
    'resnet8x4': lambda w, x: resnet(w, x, 8, 32, WIDE),
    'resnet32x4': lambda w, x: resnet(w, x, 32, 32, WIDE),
    'resnet50': resnet50,
    'wrn_16_2': lambda w, x: wide_resnet(w, x, 16, 2),
    'wrn_40_1': lambda w, x: wide_resnet(w, x, 40, 1),
    'wrn_40_2': lambda w, x: wide_resnet(w, x, 40, 2),
    'vgg8': lambda w, x: vgg(w, x, 1),
    'vgg13': lambda w, x: vgg(w, x, 2),
    'mobilenet_v2': mobilenet_v2,
    'shufflenet_v1': shufflenet_v1,
    'shufflenet_v2': shufflenet_v2,
}
TOOL = REPO / 'tools/convert_repdistiller.py'


def ours(name):
    cfg = recipe(f'{name}_cifar100').model
    return MODELS.build(ConfigDict(_scope_='mmpretrain', **cfg)).eval()


def theirs(name, images=None):
    """Their checkpoint, and the logits that it gives."""
    weights = Weights()
    images = torch.zeros(1, 3, 32, 32, dtype=torch.float64) if images is None else images
    logits = FORWARDS[name](weights, images)
    return {'epoch': 240, 'model': weights.state, 'accuracy': torch.tensor(70.0)}, logits


@pytest.mark.slow
@pytest.mark.parametrize('name', FORWARDS)
def test_the_converted_network_gives_their_logits(name, tmp_path):
    install_reader()
    images = torch.randn(2, 3, 20, 16, dtype=torch.float64)
    checkpoint, logits = theirs(name, images)
    found, state = convert(checkpoint, arch=name)
    assert found == name
    torch.save(dict(meta={}, state_dict=state), tmp_path / 'teacher.pth')
    model = ours(name).double()
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]
    restore(model, str(tmp_path / 'teacher.pth'))
    with torch.no_grad():
        torch.testing.assert_close(model(images, mode='tensor'), logits, rtol=1e-8, atol=1e-8)


def test_classes_and_a_parallel_prefix_do_not_matter():
    weights = Weights()
    resnet(weights, torch.zeros(1, 3, 32, 32, dtype=torch.float64), 20, 16, NARROW, classes=10)
    name, state = convert({'model': {f'module.{k}': v for k, v in weights.state.items()}})
    assert name == 'resnet20'
    assert state['head.fc.weight'].shape == (10, 64)
    assert all(key.startswith(('backbone.', 'head.fc.')) for key in state)


def broken(change):
    checkpoint, _ = theirs('wrn_16_2')
    change(checkpoint['model'])
    return checkpoint


@pytest.mark.parametrize(
    ('checkpoint', 'message'),
    [
        ([1], "expected a dict with 'model', found a list"),
        ({'state_dict': {}, 'meta': {}}, "expected a dict with 'model', found one with 'state_d"),
        ({'model': 'resnet20'}, "'model' must hold a state dict, found a str"),
        ({'model': {}}, "'model' must hold a state dict, found a dict"),
        ({'model': {'a': 1}}, "must hold tensors, found a int at 'a'"),
        ({'model': {'conv.weight': torch.zeros(1)}}, 'found 1 keys, conv.weight'),
        (broken(lambda m: m.pop('fc.weight')), 'found a wide ResNet without fc.weight'),
        (broken(lambda m: m.update(extra=m['bn1.bias'])), "key 'extra' does not belong to such"),
        (broken(lambda m: m.pop('bn1.bias')), 'found a wide ResNet of 703,156 parameters'),
    ],
)
def test_what_is_no_such_checkpoint(checkpoint, message):
    with pytest.raises(ValueError, match=message):
        convert(checkpoint)


def test_another_network_than_the_one_asked_for():
    with pytest.raises(ValueError, match='expected wrn_40_2, found wrn_16_2'):
        convert(theirs('wrn_16_2')[0], 'wrn_40_2')
    with pytest.raises(ValueError, match=r"arch must be one of .*got 'wrn'"):
        convert(theirs('wrn_16_2')[0], 'wrn')


@pytest.mark.slow
def test_the_tool(tmp_path):
    source, out = tmp_path / 'ckpt_epoch_240.pth', tmp_path / 'new/resnet8x4.pth'
    torch.save(theirs('resnet8x4')[0], source)
    done = succeed(run_tool(TOOL, source, out, '--arch', 'resnet8x4'))
    assert 'resnet8x4, 1,233,540 parameters' in done.stdout
    written = load(out)
    assert written['meta'] == {'arch': 'resnet8x4'}
    ours('resnet8x4').load_state_dict(written['state_dict'], strict=True)

    with pytest.raises(ValueError, match="found one with 'meta', 'state_dict'"):
        convert(written)
    torch.save({'opt': argparse.Namespace(lr=1), 'model': {}}, source)
    done = run_tool(TOOL, source, out)
    assert done.returncode != 0
    assert 'argparse.Namespace' in done.stderr

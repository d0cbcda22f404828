"""A teacher is restored whole, or not at all."""

import pytest
import torch
from torch import nn

from ickd_mm.preflight.model_source import locate_weights
from ickd_mm.registry import MODELS
from ickd_mm.runtime.checkpoint_files import install_reader
from ickd_mm.teachers.weights import restore

PSPNET = 'mmseg::pspnet/pspnet_r101-d8_4xb4-40k_voc12aug-512x512.py'


@pytest.fixture(autouse=True)
def reader():
    install_reader()


def model():
    return nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Linear(2, 2))


def saved(path, state):
    torch.save({'state_dict': state}, path)
    return str(path)


@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_weights_that_fit_are_loaded(tmp_path, prefix):
    source, target = model(), model()
    state = {prefix + k: v for k, v in source.state_dict().items()}
    restore(target, saved(tmp_path / 'a.pth', state))
    for key, value in target.state_dict().items():
        torch.testing.assert_close(value, source.state_dict()[key], rtol=0, atol=0)


def test_what_does_not_fit_is_counted_and_named(tmp_path):
    state = model().state_dict()
    state['2.weight'] = torch.zeros(3, 3)
    state['head'] = state.pop('0.weight')
    state['tail'] = torch.zeros(1)
    target = model()
    before = {k: v.clone() for k, v in target.state_dict().items()}
    with pytest.raises(ValueError, match='does not fit the teacher') as caught:
        restore(target, saved(tmp_path / 'a.pth', state))
    message = str(caught.value)
    assert 'missing 1 (0.weight)' in message
    assert 'unexpected 2 (head, tail)' in message
    assert 'another shape 1 (2.weight)' in message
    for key, value in target.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)


VIT = dict(
    type='mmpretrain.VisionTransformer', patch_size=8,
    arch=dict(embed_dims=8, num_layers=1, num_heads=1, feedforward_channels=8),
)  # fmt: skip


def test_what_the_model_resizes_itself_is_no_fault(tmp_path):
    import mmpretrain.models  # noqa: F401

    small, large = (MODELS.build(dict(VIT, img_size=size)) for size in (32, 64))
    assert small.pos_embed.shape != large.pos_embed.shape
    restore(large, saved(tmp_path / 'a.pth', small.state_dict()))
    torch.testing.assert_close(large.ln1.weight, small.ln1.weight)
    torch.testing.assert_close(large.pos_embed[:, 0], small.pos_embed[:, 0])
    narrow = MODELS.build(dict(VIT, img_size=32, arch=dict(VIT['arch'], embed_dims=16)))
    with pytest.raises(ValueError, match=r'does not fit .* of another shape \d+ \(cls_token'):
        restore(narrow, saved(tmp_path / 'a.pth', small.state_dict()))


def test_old_names_that_the_model_knows_are_no_fault(tmp_path):
    """Swin's published weights: the last norm without its number, masks that are made anew."""
    import mmpretrain.models  # noqa: F401

    arch = dict(embed_dims=8, depths=[1] * 4, num_heads=[1] * 4)
    swin = dict(type='mmpretrain.SwinTransformer', arch=arch, img_size=64, window_size=2)
    source, target = MODELS.build(swin), MODELS.build(swin)
    source.norm3.weight.data.fill_(3.0)
    state = dict(source.state_dict())
    state['norm.weight'], state['norm.bias'] = state.pop('norm3.weight'), state.pop('norm3.bias')
    state['stages.0.blocks.0.attn.attn_mask'] = torch.zeros(1)
    restore(target, saved(tmp_path / 'a.pth', state))
    torch.testing.assert_close(target.norm3.weight, source.norm3.weight)


def test_versions_of_parts_reach_them(tmp_path):
    class Versioned(nn.Linear):
        _version = 3

        def _load_from_state_dict(self, state, prefix, local_metadata, *args):
            if local_metadata.get('version', 0) < 3:  # an older class called it kernel
                state[prefix + 'weight'] = state.pop(prefix + 'kernel')
            super()._load_from_state_dict(state, prefix, local_metadata, *args)

    source, target = nn.Sequential(Versioned(2, 2)), nn.Sequential(Versioned(2, 2))
    for prefix in ('', 'module.'):
        state = nn.ModuleDict({'module': source}).state_dict() if prefix else source.state_dict()
        restore(target, saved(tmp_path / 'a.pth', state))
        torch.testing.assert_close(target[0].weight, source[0].weight)
    state._metadata.clear()
    state['module.0.kernel'] = state.pop('module.0.weight')
    restore(target, saved(tmp_path / 'a.pth', state))


def test_a_long_list_is_cut(tmp_path):
    with pytest.raises(ValueError, match=r'missing 9? ?\d+ \(0.weight, 0.bias, 1.weight, \.\.\.\)'):
        restore(model(), saved(tmp_path / 'a.pth', {'x': torch.zeros(1)}))


def test_a_file_without_weights(tmp_path):
    with pytest.raises(ValueError, match='holds no state dict'):
        restore(model(), saved(tmp_path / 'a.pth', {'epoch': 3}))


def test_zoo_means_what_the_package_lists():
    url = locate_weights('zoo', PSPNET)
    assert url.startswith('https://')
    assert 'pspnet_r101-d8_512x512_40k_voc12aug' in url


@pytest.mark.parametrize(
    ('ckpt', 'origin', 'error', 'message'),
    [
        (None, '', TypeError, 'a teacher without weights teaches nothing'),
        ('', '', TypeError, 'teacher_ckpt must be a path'),
        ('no.pth', '', FileNotFoundError, "'no.pth' does not exist"),
        ('zoo', '', ValueError, "needs teacher='package::path'"),
        ('zoo', 'mmseg::_base_/models/pspnet_r50-d8.py', ValueError, 'no weights are listed'),
    ],
)
def test_a_wrong_teacher_ckpt(ckpt, origin, error, message):
    with pytest.raises(error, match=message):
        locate_weights(ckpt, origin)


def test_a_url_is_taken_as_it_is():
    assert locate_weights('https://host/a.pth', '') == 'https://host/a.pth'

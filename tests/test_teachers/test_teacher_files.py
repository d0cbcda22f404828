"""Files of teachers as people have them: parts, wrappings, prefixes, extras."""

import pytest
import torch
from support.repository import model_config
from torch import nn

from ickd_mm.features.dry_run import dry_run
from ickd_mm.features.taps import Capture, Tap
from ickd_mm.registry import MODELS
from ickd_mm.runtime.checkpoint_files import install_reader
from ickd_mm.teachers.needed import NeededWeights
from ickd_mm.teachers.weights import restore


@pytest.fixture(autouse=True)
def _reader():
    install_reader()


def backbone(state, put=''):
    at = len('backbone.')
    return {put + k[at:]: v for k, v in state.items() if k.startswith('backbone.')}


def prefixed(state, prefix):
    return {prefix + key: value for key, value in state.items()}


def extras(state):
    more = {
        'data_preprocessor.mean': torch.zeros(3, 1, 1),
        'auxiliary_head.conv.weight': torch.ones(2),
    }
    other = {'decode_head.conv_seg.weight': torch.zeros(21, 48, 1, 1)}
    return {**state, **more, **other, **prefixed(backbone(state), 'ema_backbone.')}


FILES = {
    'the backbone alone': (lambda s: backbone(s, 'backbone.'), ''),
    'bare keys of the backbone': (backbone, ', read as the backbone alone'),
    'bare keys with a classifier': (
        lambda s: {**backbone(s), 'fc.weight': torch.zeros(9, 9)},
        ', read as the backbone alone; not used: 1 (backbone.fc.weight)',
    ),
    'model': (lambda s: {'model': s, 'epoch': 3}, ''),
    'teacher beside student': (
        lambda s: {'student': prefixed(s, 'a.'), 'teacher': prefixed(s, 'module.')},
        ", read without the prefix 'module.'",
    ),
    'a name of its own': (lambda s: {'weights': s, 'lr': 0.1}, ''),
    'model.': (lambda s: prefixed(s, 'model.'), ", read without the prefix 'model.'"),
    '_orig_mod.': (lambda s: prefixed(s, '_orig_mod.'), ", read without the prefix '_orig_mod.'"),
    'two prefixes': (
        lambda s: prefixed(s, 'module.encoder.'), ", read without the prefix 'module.encoder.'"
    ),
    'an averaged model and its counter': (
        lambda s: {'n_averaged': torch.tensor(9), **prefixed(s, 'module.')},
        ", read without the prefix 'module.'; not used: 1 (n_averaged)",
    ),
    'a prefix of bare keys': (
        lambda s: backbone(s, 'encoder.'),
        ", read without the prefix 'encoder.', read as the backbone alone",
    ),
    'harmless extras': (extras, '; not used: 113 (auxiliary_head.conv.weight, ema_backbone.'),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize('name', FILES)
def test_it_is_loaded_and_the_log_says_how(name, distiller_cfg, scope, tmp_path, monkeypatch):
    monkeypatch.setattr('ickd_mm.teachers.frozen_teacher.fold_batch_norms', lambda *_: None)
    make, said = FILES[name]
    state = torch.load(distiller_cfg.teacher_ckpt, weights_only=True)['state_dict']
    distiller_cfg.teacher_ckpt = str(tmp_path / 'a.pth')
    torch.save(make(state), distiller_cfg.teacher_ckpt)
    distiller = MODELS.build(distiller_cfg)
    loaded = distiller.teacher.model.state_dict()
    for key, value in state.items():
        assert torch.equal(loaded[key], value) or not key.startswith('backbone.'), key
    about = distiller.summary().splitlines()[0]
    assert f'with {distiller_cfg.teacher_ckpt!r}{said or ";"}' in about


def deeper(state):
    return {**state, 'backbone.layer2.2.conv1.weight': torch.zeros(48, 48, 3, 3)}


def without(state, key):
    return {k: v for k, v in state.items() if k != key}


WRONG = {
    'a deeper backbone': (deeper, r'unexpected 1 \(backbone.layer2.2.conv1.weight\)'),
    'a weight is missing': (
        lambda s: without(s, 'backbone.layer4.1.bn1.bias'),
        r'not fit the teacher .*missing 1 \(backbone.layer4.1.bn1.bias\), unexpected 0, of another',
    ),
    'another shape': (
        lambda s: {**s, 'backbone.layer1.0.conv1.weight': torch.zeros(2, 2)},
        r'another shape 1 \(backbone.layer1.0.conv1.weight\)',
    ),
    'a weight of the whole': (lambda s: {**s, 'scale': torch.ones(1)}, r'unexpected 1 \(scale\)'),
    'bare keys, one missing': (
        lambda s: without(backbone(s), 'layer4.1.bn1.bias'),
        r'keys\), read as the backbone alone: missing 1 \(backbone.layer4.1.bn1.bias\)',
    ),
    'two of a kind': (
        lambda s: {**prefixed(s, 'student.'), **prefixed(s, 'teacher.')},
        r"under 'student.' and under 'teacher.' fit: save only the ones you mean",
    ),
    'nothing known': (
        lambda s: {'first': s, 'second': s, 'epoch': 3},
        r"holds several, and none is called state_dict, model, teacher, .*; it has 'first', "
        r"'second', 'epoch': save the one you mean as {'state_dict': ...}",
    ),
    'a list': (lambda s: list(s.values()), r'no state dict, .*; it has a list: save the one'),
    'no weights': (
        lambda s: {'epoch': 3, 'optimizer': {}},
        r"no state dict, under none of state_dict, model, .*; it has 'epoch', 'optimizer'",
    ),
}


@pytest.mark.parametrize('name', WRONG)
def test_what_the_taps_depend_on_must_fit(name, distiller_cfg, scope, tmp_path):
    make, said = WRONG[name]
    state = torch.load(distiller_cfg.teacher_ckpt, weights_only=True)['state_dict']
    distiller_cfg.teacher_ckpt = str(tmp_path / 'a.pth')
    torch.save(make(state), distiller_cfg.teacher_ckpt)
    with pytest.raises(ValueError, match=said):
        MODELS.build(distiller_cfg)


def test_a_tap_in_the_head_needs_the_head(distiller_cfg, scope, tmp_path):
    state = torch.load(distiller_cfg.teacher_ckpt, weights_only=True)['state_dict']
    distiller_cfg.teacher_ckpt = str(tmp_path / 'a.pth')
    torch.save(backbone(state, 'backbone.'), distiller_cfg.teacher_ckpt)
    distiller_cfg.pairs.loss_icc.teacher = 'decode_head.bottleneck'
    with pytest.raises(ValueError, match=r'missing \d+ \(decode_head.psp_modules'):
        MODELS.build(distiller_cfg)


def test_the_whole_is_needed_where_the_whole_is_scored(scope, teacher_file, tmp_path):
    state = torch.load(teacher_file, weights_only=True)['state_dict']
    model = MODELS.build(model_config('pspnet_teacher_digits'))
    torch.save(extras(state), tmp_path / 'a.pth')
    with pytest.raises(
        ValueError, match=r'missing 0, .* of another shape 1 \(decode_head.conv_seg'
    ):
        restore(model, str(tmp_path / 'a.pth'))


class Hidden(nn.Module):
    """Uses weights of a part that it never calls."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 1, batch_first=True)
        self.gate = nn.Linear(4, 4)
        self.unused = nn.Linear(4, 4)
        self.after = nn.Linear(4, 4)

    def forward(self, images, mode='tensor'):
        x = images.mean(1)
        x = nn.functional.linear(self.attention(x, x, x)[0], self.gate.weight.T)
        x = nn.functional.relu(self.tap(x))
        return self.after(x)


def test_weights_that_are_read_unseen_are_needed():
    model = Hidden().eval()
    model.tap = nn.Identity()
    capture = Capture(model, [Tap.parse('tap')], 'teacher')
    read = NeededWeights(model, capture)
    dry_run(model, (4, 4), capture, read)
    parts = {f'attention.{name}' for name, _ in model.attention.named_parameters()}
    assert read.names() == {*parts, 'gate.weight'}

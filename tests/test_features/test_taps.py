"""Taps: what a path means, and that taking a feature leaves no trace."""

import pytest
import torch
from torch import nn

from ickd_mm.features.taps import Capture, Tap, TapError
from ickd_mm.features.tokens import tokens_to_map


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.both = Both()
        self.unused = nn.Identity()
        self.ran_to_the_end = False

    def forward(self, x, fail=False):
        x = self.relu(self.norm(self.stem(x)))
        outputs = self.both(x)
        if fail:
            raise ArithmeticError('broken model')
        self.ran_to_the_end = True
        return outputs


class Both(nn.Module):
    def forward(self, x):
        return x + 1, [x + 2, x + 3]


def hooks(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def run(model, *paths, stop=False, copies=frozenset(), **kwargs):
    taps = [Tap.parse(path) for path in paths]
    with Capture(model, taps, 'student', stop=stop, copies=frozenset(copies)) as seen:
        model(torch.ones(1, 3, 2, 2), **kwargs)
    return [seen[tap] for tap in taps], seen


@pytest.mark.parametrize(
    ('path', 'module', 'index'),
    [
        ('backbone.layer4', 'backbone.layer4', ()),
        ('backbone[3]', 'backbone', (3,)),
        ('stages.0[-1][2]', 'stages.0', (-1, 2)),
    ],
)
def test_a_path_is_read(path, module, index):
    assert Tap.parse(path) == Tap(path, module, index)


def test_a_path_says_which_run_the_input_and_a_map():
    path = 'head.0#12:input[1]:map'
    assert Tap.parse(path) == Tap(path, 'head.0', (1,), run=12, input=True, map=True)


@pytest.mark.parametrize(
    'path',
    [
        '',
        'a..b',
        'a[x]',
        'a[0',
        'a b',
        '.a',
        'a[0].b',
        'a#0',
        'a#x',
        'a:map[0]',
        'a:output',
        'a:input#1',
    ],
)
def test_a_path_that_is_none_is_refused(path):
    with pytest.raises(ValueError, match='is not a module path'):
        Tap.parse(path)


def test_a_path_must_be_a_string():
    with pytest.raises(TypeError, match='module path'):
        Tap.parse(4)


def test_features_are_the_modules_outputs():
    model = Net().eval()
    (first, second, third), _ = run(model, 'both[0]', 'both[1][0]', 'both[1][-1]')
    torch.testing.assert_close(second, first + 1)
    torch.testing.assert_close(third, first + 2)


def test_an_unknown_path_lists_the_nearest():
    with pytest.raises(KeyError, match=r"has no module 'stam'; nearest: .*stem"):
        run(Net(), 'stam')


def test_a_tuple_says_how_to_pick():
    model = Net()
    with pytest.raises(ValueError, match=r'gives a tuple of 2.*pick with both\[i\]'):
        run(model, 'both')
    assert hooks(model) == 0


def test_an_index_out_of_range_is_named():
    with pytest.raises(ValueError, match=r'cannot pick \[7\]'):
        run(Net(), 'both[7]')


@pytest.mark.parametrize('stop', [False, True])
def test_no_hook_stays(stop):
    model = Net()
    run(model, 'stem', 'both[0]', stop=stop)
    assert hooks(model) == 0


def test_no_hook_stays_when_the_model_fails():
    model = Net()
    with pytest.raises(ArithmeticError):
        run(model, 'stem', fail=True)
    assert hooks(model) == 0


def test_the_forward_stops_once_the_last_feature_is_there():
    model = Net()
    run(model, 'stem', 'norm', stop=True, fail=True)
    assert not model.ran_to_the_end


def test_a_module_that_never_runs_is_an_error():
    with pytest.raises(TapError, match=r"'unused' did not run in a training step.*inspect_model"):
        run(Net(), 'unused')


def test_a_module_that_runs_twice_is_an_error():
    model = nn.Sequential(nn.Identity(), nn.Identity())
    model[1] = model[0]
    with pytest.raises(TapError) as caught:
        run(nn.Sequential(model), '0.0')
    assert str(caught.value) == (
        "student tap '0.0' runs 2 times in a training step; say which run is meant: '0.0#1' is the "
        "first, '0.0#2' the last"
    )


def test_a_change_in_place_is_seen_and_a_copy_is_safe():
    model = Net().eval()
    tap = Tap.parse('norm')
    _, seen = run(model, 'norm')
    assert seen.changed() == {tap}
    (feature,), seen = run(model, 'norm', copies={tap})
    assert seen.changed() == frozenset()
    torch.testing.assert_close(feature, model.norm(model.stem(torch.ones(1, 3, 2, 2))))


def test_an_input_is_what_went_in():
    """Also where the module changes it in place, and where it takes several."""
    model = Net().eval()
    images = torch.ones(1, 3, 2, 2)
    normed = model.norm(model.stem(images)).clone()
    tap = Tap.parse('relu:input')
    _, seen = run(model, 'relu:input')
    assert seen.changed() == {tap}
    (feature,), _ = run(model, 'relu:input', copies={tap})
    torch.testing.assert_close(feature, normed)

    class Adds(nn.Module):
        def forward(self, x, y):
            return x + y

    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.add = Adds()

        def forward(self, x):
            return self.add(x, y=2 * x)

    (second,), _ = run(Pair(), 'add:input[1]')
    torch.testing.assert_close(second, 2 * images)
    with pytest.raises(TapError, match=r'it gives a tuple of 2.*pick with add:input\[i\], i from'):
        run(Pair(), 'add:input')


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.both = Both()
        self.ran_to_the_end = False

    def forward(self, x):
        for _ in range(3):
            x, _ = self.both(x)
        self.ran_to_the_end = True
        return x


def test_a_tap_names_its_run_and_the_forward_stops_after_it():
    model = Twice()
    (second, first), _ = run(model, 'both#2[0]', 'both#1:input', stop=True)
    assert not model.ran_to_the_end
    assert torch.equal(first, torch.ones(1, 3, 2, 2))
    assert torch.equal(second, first + 2)
    with pytest.raises(TapError, match=r"'both#4\[0\]' means run 4, its module runs 3 times in a "):
        run(model, 'both#4[0]')
    with pytest.raises(TapError, match=r"'both#1\[0\]' is the first, 'both#3\[0\]' the last"):
        run(model, 'both[0]')


@pytest.mark.parametrize(
    ('size', 'grid', 'extra'),
    [
        ((224, 224), (14, 14), 1),  # ViT
        ((224, 224), (14, 14), 2),  # DeiT, distilled
        ((518, 518), (37, 37), 5),  # DINOv2 with registers
        ((64, 128), (4, 8), 0),  # Swin, SegFormer
        ((100, 250), (4, 8), 0),  # padded
        ((100, 250), (3, 7), 1),  # cut off
    ],
)
def test_tokens_become_a_map(size, grid, extra):
    want = torch.randn(2, 5, *grid)
    tokens = torch.cat([torch.full((2, extra, 5), 9.0), want.flatten(2).transpose(1, 2)], 1)
    torch.testing.assert_close(tokens_to_map(tokens, size), want, rtol=0, atol=0)


def test_tokens_that_are_no_map_are_refused():
    with pytest.raises(
        TapError, match=r"'a:map': ':map' finds no grid for 90 tokens in images of 8x8"
    ):
        Tap.parse('a:map').pick(torch.zeros(1, 90, 7), 'student', (8, 8))
    with pytest.raises(TapError, match=r'lays out tokens \(N, L, C\), it gives \(1, 3\)'):
        Tap.parse('a:map').pick(torch.zeros(1, 3), 'student', (8, 8))

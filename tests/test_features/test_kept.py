"""Hooks that stay give what the hooks of one forward give, and nothing outside of a step."""

import copy

import pytest
import torch
from torch import nn

from ickd_mm.features.kept import KeptCapture
from ickd_mm.features.taps import Capture, Tap


class Twice(nn.Module):
    """Runs one module twice, gives tuples and tokens, and changes a map in place."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.tail = Both()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        maps, tokens = self.tail(self.conv(self.conv(x)))
        return self.relu(maps[0]) + maps[1] + tokens.sum()


class Both(nn.Module):
    def forward(self, x):
        return [x - 1, 2 * x], x.flatten(2).transpose(1, 2)


PATHS = [
    'conv#1',
    'conv#2',
    'conv#2:input',
    'tail:input',
    'tail[0][0]',
    'tail[0][-1]',
    'tail[1]:map',
]


def taps_and_copies():
    taps = [Tap.parse(path) for path in PATHS]
    return taps, frozenset(tap for tap in taps if tap.path == 'tail[0][0]')


def test_the_features_of_every_form_of_tap():
    model, images = Twice(), torch.randn(2, 3, 4, 6)
    taps, copies = taps_and_copies()
    with Capture(model, taps, 'student', copies=copies) as seen:
        model(images)
    kept = KeptCapture(model, taps, 'student', copies)
    for _ in range(2):
        kept.start(images)
        model(images)
        features = kept.take()
        assert list(features) == PATHS
        for tap in taps:
            assert torch.equal(features[tap.path], seen[tap])
            assert features[tap.path].requires_grad


def test_a_forward_outside_of_a_step_is_not_recorded():
    """A validation would keep its maps alive, and a copy for EMA would meet them."""
    model, images = Twice(), torch.randn(2, 3, 4, 6)
    taps, copies = taps_and_copies()
    kept = KeptCapture(model, taps, 'student', copies)
    kept.start(images)
    model(images)
    kept.take()
    model(images)
    copy.deepcopy(model)(images)
    with pytest.raises(KeyError):
        kept.take()


def test_a_path_that_the_model_does_not_have():
    with pytest.raises(KeyError, match=r"the teacher \(Twice\) has no module 'con'; nearest: conv"):
        KeptCapture(Twice(), [Tap.parse('con')], 'teacher')

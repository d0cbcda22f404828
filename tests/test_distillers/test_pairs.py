"""Pairs: what a config may say, and what it is told when it says something else."""

import pytest
import torch
from mmengine.registry import DefaultScope, init_default_scope
from torch import nn

from ickd_mm.distillers.pairs import PairConfig
from ickd_mm.distillers.step import match_pairs
from ickd_mm.distillers.trial import validate_pair
from ickd_mm.registry import MODELS

GOOD = dict(
    student='backbone.layer4',
    teacher='backbone.layer4',
    connector=dict(type='ickd_mm.ConvConnector'),
    loss=dict(type='ickd_mm.ICKDLoss'),
)


@MODELS.register_module()
class EqualMaps(nn.Module):
    """A loss that needs maps of one size."""

    def forward(self, student, teacher):
        return torch.nn.functional.mse_loss(student, teacher.expand_as(student))


def read(**changes):
    return PairConfig.read_all({'loss_icc': {**GOOD, **changes}})[0]


def build(student=(2, 8, 4, 4), teacher=(2, 16, 4, 4), **changes):
    return read(**changes).build(torch.zeros(student), torch.zeros(teacher))


@pytest.mark.parametrize(
    ('pairs', 'error', 'message'),
    [
        ([GOOD], TypeError, 'pairs must be a dict'),
        ({}, ValueError, 'nothing would be distilled'),
        ({'icc': GOOD}, ValueError, "start with 'loss'.*'loss_icc'"),
        ({'loss.icc': GOOD}, ValueError, 'hold no dot'),
        ({'loss_icc': 5}, TypeError, 'must be a dict'),
        (
            {'loss_icc': {**GOOD, 'conector': {}}},
            KeyError,
            "'conector'.*you mean 'connector'",
        ),
        ({'loss_icc': {'student': 'a', 'loss': {}}}, KeyError, "'teacher' is missing"),
        ({'loss_icc': {**GOOD, 'loss': None}}, KeyError, "'loss' is missing"),
        ({'loss_icc': {**GOOD, 'loss': 'ICKDLoss'}}, TypeError, "must be a dict with a 'type'"),
        ({'loss_icc': {**GOOD, 'connector': {}}}, TypeError, "must be a dict with a 'type'"),
    ],
)
def test_a_wrong_pair_is_named(pairs, error, message):
    with pytest.raises(error, match=message):
        PairConfig.read_all(pairs)


def test_channels_are_inferred():
    conv = build().connector.conv.conv
    assert (conv.in_channels, conv.out_channels) == (8, 16)


def test_channels_of_a_connector_from_the_scope_of_the_run():
    from mmpretrain.registry import MODELS as MMPRETRAIN

    @MMPRETRAIN.register_module(force=True)
    class OwnConnector(nn.Conv2d):
        def __init__(self, in_channels, out_channels):
            super().__init__(in_channels, out_channels, 1)

    before = DefaultScope.get_current_instance()
    init_default_scope('mmpretrain')
    try:
        for kind in ('OwnConnector', 'mmpretrain.OwnConnector', OwnConnector):
            connector = build(connector=dict(type=kind)).connector
            assert (connector.in_channels, connector.out_channels) == (8, 16)
    finally:
        init_default_scope(before.scope_name if before else 'mmengine')


def test_channels_that_are_given_stay():
    connector = dict(type='ickd_mm.ConvConnector', in_channels=8, out_channels=32)
    assert build(connector=connector).connector.conv.conv.out_channels == 32


def test_channels_of_what_is_no_map_cannot_be_inferred():
    with pytest.raises(ValueError, match=r"student tap 'backbone.layer4'.*\(2, 50, 8\)"):
        build(student=(2, 50, 8))


def test_an_unknown_argument_is_named():
    with pytest.raises(ValueError, match=r'pairs.loss_icc.loss: .*wieght'):
        build(loss=dict(type='ickd_mm.ICKDLoss', wieght=1))


def test_the_students_feature_goes_through_the_connector():
    pair = build()
    s, t = torch.randn(2, 8, 4, 4), torch.randn(2, 16, 4, 4)
    torch.testing.assert_close(pair(s, t), pair.loss(pair.connector(s), t))


def test_channels_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match=r'loss_icc.*\(2, 8, 4, 4\).*\(2, 16, 4, 4\)'):
        validate_pair(build(connector=None), [(2, 8, 4, 4), (2, 16, 4, 4)], size=(32, 32))


def test_map_sizes_that_a_loss_needs_equal_are_refused():
    pair = build(connector=None, loss=dict(type='ickd_mm.EqualMaps'))
    with pytest.raises(ValueError, match=r'loss_icc.*\(2, 8, 4, 4\).*\(2, 8, 2, 2\)'):
        validate_pair(pair, [(2, 8, 4, 4), (2, 8, 2, 2)], size=(32, 32))


def test_a_grid_finer_than_the_map_is_refused():
    pair = build(loss=dict(type='ickd_mm.ICKDLoss', grid=5))
    with pytest.raises(ValueError, match='finer than'):
        validate_pair(pair, [(2, 8, 4, 4), (2, 16, 4, 4)], size=(32, 32))


class Scale(nn.Module):
    """A factor that its own init_weights sets."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.zeros(()))

    def init_weights(self):
        nn.init.constant_(self.factor, 3.0)

    def forward(self, x):
        return self.factor * x


@MODELS.register_module()
class ScaledConnector(nn.Module):
    """Has no init_weights of its own, but a child that has."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Identity(), Scale())

    def forward(self, x):
        return self.layers(x)


@MODELS.register_module()
class ScaledLoss(Scale):
    """A loss that initialises itself."""

    def forward(self, student, teacher):
        return self.factor * (student - teacher).mean()


def test_connector_and_loss_initialise_themselves():
    pair = build(
        connector=dict(type='ickd_mm.ScaledConnector'), loss=dict(type='ickd_mm.ScaledLoss')
    )
    features = torch.full((2, 8, 4, 4), 2.0), torch.ones(2, 8, 4, 4)
    assert pair(*features) == 0
    pair.init_weights()
    assert pair(*features) == 3 * (3 * 2 - 1)


@MODELS.register_module()
class Detached(nn.Module):
    """A loss that cuts the student off."""

    def forward(self, student, teacher):
        return (student.detach() - teacher).square().mean()


KL, ICKD, CWD = (
    f'ickd_mm.{name}' for name in ('KLDivergence', 'ICKDLoss', 'ChannelWiseDivergence')
)
ONE_CHANNEL = (
    r'is 0 whatever the student gives, here \(N, 1, 4, 4\): over one channel a softmax or a '
    r"normalised row is constant; .* write loss=dict\(type='ickd_mm.KLDivergence', use_sigmoid=True"
)
ONE_POSITION = 'over one position a softmax, or the distance to the mean, is constant; tap a larger'


@pytest.mark.parametrize(
    ('loss', 'shape', 'connector', 'message'),
    [
        (dict(type=KL), (1, 4, 4), None, rf'loss_icc.loss: KLDivergence\(.*\) {ONE_CHANNEL}'),
        (dict(type=ICKD), (1, 4, 4), None, rf'loss_icc.loss: ICKDLoss\(.*\) {ONE_CHANNEL}'),
        (dict(type=KL), (1, 4, 4), dict(type='ickd_mm.ConvConnector'), ONE_CHANNEL),
        (dict(type=CWD), (8, 1, 1), None, rf'here \(N, 8, 1, 1\): {ONE_POSITION}'),
        (dict(type=ICKD, center=True, grid=4), (8, 4, 4), None, f'{ONE_POSITION} map, or set'),
        (dict(type='ickd_mm.Detached'), (8, 4, 4), None, r'Detached\(\) is .* has no gradient;'),
    ],
)  # fmt: skip
def test_a_loss_that_is_constant_is_refused(loss, shape, connector, message):
    maps = torch.zeros(2, *shape), torch.zeros(2, *shape)
    pair = read(loss=loss, connector=connector).build(*maps)
    with pytest.raises(ValueError, match=message):
        validate_pair(pair, [(2, *shape)] * 2, size=(32, 32))


@MODELS.register_module()
class Margin(nn.Module):
    """A loss that is 0 for maps that are far apart."""

    def forward(self, student, teacher):
        return torch.nn.functional.relu(0.1 - (student - teacher).abs().mean())


@pytest.mark.parametrize(
    'loss',
    [
        dict(type=KL, use_sigmoid=True),
        dict(type='ickd_mm.Margin'),
        dict(type=ICKD, normalize=False),
        dict(type=KL, loss_weight=0.0),  # said in the log instead
        dict(type='ickd_mm.ScaledLoss'),  # constant until init_weights
        dict(type='ickd_mm.TorchdistillLoss', key='RKDLoss'),  # constant between two images
    ],
)
def test_a_loss_that_can_teach_one_channel_is_not(loss):
    maps = torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)
    pair = read(loss=loss, connector=None).build(*maps)
    validate_pair(pair, [(2, 1, 4, 4)] * 2, size=(32, 32))


@MODELS.register_module()
class MapAndNothing(nn.Module):
    """A connector that gives a map, what may be None, and a number of positions."""

    def forward(self, x):
        return x, None, torch.tensor(x[0, 0].numel())


@MODELS.register_module()
class FirstMap(nn.Module):
    """A loss on the first of what such a connector gives."""

    def forward(self, student, teacher):
        return torch.nn.functional.mse_loss(student[0], teacher) / student[2]


def test_a_connector_may_give_more_than_maps():
    pair = build(
        teacher=(2, 8, 4, 4),
        connector=dict(type='ickd_mm.MapAndNothing'),
        loss=dict(type='ickd_mm.FirstMap'),
    )
    validate_pair(pair, [(2, 8, 4, 4)] * 2, (32, 32))


def test_an_error_of_a_training_step_names_the_pair_once(distiller):
    (pair,) = distiller.pairs
    features = {pair.student.path: torch.rand(2, 64, 4, 4, requires_grad=True)}
    with pytest.raises(ValueError, match=r'student .* \(2, 64, 4, 4\), teacher') as caught:
        match_pairs(distiller.pairs, {pair.name: 1.0}, features, {pair.teacher: torch.rand(2, 7)})
    assert str(caught.value).count(f'pairs.{pair.name}') == 1

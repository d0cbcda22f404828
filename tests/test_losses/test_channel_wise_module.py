import pytest
import torch

import ickd_mm
from ickd_mm.functional import channel_wise_divergence
from ickd_mm.registry import MODELS


@pytest.mark.parametrize(('tau', 'weight'), [(4.0, 1.0), (1.0, 3.0), (2.0, 0.0)])
def test_module_is_the_weighted_function(tau, weight):
    student, teacher = torch.randn(2, 2, 5, 4, 4)
    loss = ickd_mm.ChannelWiseDivergence(tau=tau, loss_weight=weight)(student, teacher)
    assert torch.equal(loss, weight * channel_wise_divergence(student, teacher, tau))


@pytest.mark.parametrize('key', ['tau', 'loss_weight'])
@pytest.mark.parametrize('value', [-1.0, float('nan'), float('inf')])
def test_wrong_values_are_refused_when_built(key, value):
    with pytest.raises(ValueError, match=f'{key} must be'):
        ickd_mm.ChannelWiseDivergence(**{key: value})


def test_built_from_a_config():
    module = MODELS.build(dict(type='ickd_mm.ChannelWiseDivergence', loss_weight=3.0))
    assert type(module) is ickd_mm.ChannelWiseDivergence
    assert not list(module.parameters())
    assert 'tau=4.0, loss_weight=3.0' in repr(module)

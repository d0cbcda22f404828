import pytest
import torch

import ickd_mm
from ickd_mm.registry import MODELS


def test_shapes_and_first_variance():
    pytest.importorskip('torchdistill')
    module = MODELS.build(dict(type='ickd_mm.VIDRegressor', in_channels=3, out_channels=7))
    mean, variance = module(torch.randn(2, 3, 4, 5))
    assert mean.shape == (2, 7, 4, 5)
    assert variance.shape == (1, 7, 1, 1)
    assert torch.allclose(variance, torch.tensor(5.0))
    widths = [p.shape[:2] for p in module.regressor.regressor.parameters()]
    assert widths == [(7, 3), (7, 7), (7, 7)]


@pytest.mark.parametrize(
    ('wrong', 'says'),
    [
        (dict(in_channels=0), 'channels must be positive'),
        (dict(middle_channels=0), 'channels must be positive'),
        (dict(eps=0.0), '0 < eps < init_pred_var'),
        (dict(eps=1.0, init_pred_var=0.5), '0 < eps < init_pred_var'),
    ],
)
def test_wrong_arguments(wrong, says):
    with pytest.raises(ValueError, match=says):
        ickd_mm.VIDRegressor(**{'in_channels': 3, 'out_channels': 4, **wrong})

"""The conv connector: value, gradient, refusals."""

import pytest
import torch
from torch.nn import functional as F

from ickd_mm import ConvConnector


@pytest.mark.parametrize('kernel_size', [1, 3])
def test_it_is_conv_without_bias_then_norm(kernel_size):
    connector = ConvConnector(3, 5, kernel_size).double()
    x = torch.randn(2, 3, 7, 4, dtype=torch.float64, requires_grad=True)
    weight = connector.conv.conv.weight.detach().requires_grad_()
    made = F.conv2d(x, weight, padding=kernel_size // 2)
    mean = made.mean((0, 2, 3), keepdim=True)
    var = made.var((0, 2, 3), unbiased=False, keepdim=True)
    want, got = (made - mean) / (var + 1e-5).sqrt(), connector(x)
    torch.testing.assert_close(got, want)
    gradients = torch.autograd.grad(got.pow(3).sum(), (x, connector.conv.conv.weight))
    wanted = torch.autograd.grad(want.pow(3).sum(), (x, weight))
    torch.testing.assert_close(gradients, wanted)
    assert connector.conv.conv.bias is None


def test_another_norm():
    assert isinstance(ConvConnector(4, 4, norm_cfg=dict(type='GN', num_groups=2)).conv.norm,
                      torch.nn.GroupNorm)  # fmt: skip


@pytest.mark.parametrize(
    'wrong', [dict(kernel_size=2), dict(in_channels=0), dict(out_channels=-1), dict(kernel_size=5)]
)
def test_errors_name_the_value(wrong):
    with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
        ConvConnector(**{**dict(in_channels=2, out_channels=2), **wrong})

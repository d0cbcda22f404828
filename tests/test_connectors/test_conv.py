"""The conv connector: shapes, gradient, refusals."""

import pytest
import torch

from ickd_mm import ConvConnector


@pytest.mark.parametrize('kernel_size', [1, 3])
def test_it_changes_channels_and_nothing_else(kernel_size):
    connector = ConvConnector(3, 5, kernel_size)
    x = torch.randn(2, 3, 7, 4, requires_grad=True)
    y = connector(x)
    assert y.shape == (2, 5, 7, 4)
    y.square().sum().backward()
    assert all(p.grad is not None for p in connector.parameters())
    assert x.grad is not None


def test_it_is_conv_without_bias_then_norm():
    connector = ConvConnector(3, 5)
    x = torch.randn(2, 3, 4, 4)
    made = torch.einsum('oc,nchw->nohw', connector.conv.conv.weight[:, :, 0, 0], x)
    mean = made.mean((0, 2, 3), keepdim=True)
    var = made.var((0, 2, 3), unbiased=False, keepdim=True)
    torch.testing.assert_close(connector(x), (made - mean) / (var + 1e-5).sqrt())
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

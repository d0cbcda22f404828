"""Cosines against their formula, the order of channels, and where a cell is drawn."""

import numpy as np
import pytest
import torch

from ickd_mm.visualization.cosines import SIDE, channel_cosines, channel_order, mosaic


@pytest.mark.parametrize('center', [False, True])
@pytest.mark.parametrize('scale', [1e-12, 1.0, 1e12])
def test_the_formula(center, scale):
    x = torch.rand(2, 5, 3, 4) * scale
    x[0, 3] = 0
    f = x.double().flatten(2).numpy()
    if center:
        f = f - f.mean(2, keepdims=True)
    lengths = np.linalg.norm(f, axis=2)
    lengths[0, 3] = np.inf
    want = f @ f.transpose(0, 2, 1) / lengths[:, :, None] / lengths[:, None]
    np.testing.assert_allclose(channel_cosines(x, center), want, atol=1e-6)


def test_a_channel_that_is_constant_has_no_correlation():
    x = torch.rand(1, 3, 4, 4)
    x[0, 1] = 0.7
    found = channel_cosines(x, center=True)[0]
    assert not found[1].any()
    assert found[0, 0] == pytest.approx(1)


def test_groups_become_neighbours():
    torch.manual_seed(0)
    sources = torch.randn(3, 50)
    groups = torch.arange(30) % 3
    x = sources[groups] + 0.1 * torch.randn(30, 50)
    order = channel_order(channel_cosines(x[None, :, None])[0])
    assert sorted(order) == list(range(30))
    ordered = groups[torch.tensor(order.copy())]
    assert (ordered[1:] != ordered[:-1]).sum() == 2


def test_a_cell_is_drawn_where_it_lies_in_the_image():
    torch.manual_seed(0)
    x, order = torch.rand(1, 6, 8, 10), np.array([3, 0, 5, 1, 4, 2])
    drawn = mosaic(x, (2, 3), False, order)
    assert drawn.shape == (6 * 2 + 1, 6 * 3 + 2)
    assert np.isnan(drawn[6]).all()
    cell = channel_cosines(x[:, :, 4:, 4:7])[0]  # second row, second of 4, 3 and 3 columns
    np.testing.assert_array_equal(drawn[7:, 7:13], cell[np.ix_(order, order)])


def test_many_channels_are_averaged_down():
    x = torch.rand(1, SIDE, 4, 2)
    whole, halves = (mosaic(x, grid, False, np.arange(SIDE)) for grid in ((1, 1), (1, 2)))
    assert whole.shape == (SIDE, SIDE)
    tile = halves[: SIDE // 2, : SIDE // 2]
    cosines = channel_cosines(x[..., :1])[0]
    blocks = cosines.reshape(SIDE // 2, 2, SIDE // 2, 2).mean((1, 3))
    np.testing.assert_allclose(tile, blocks, atol=1e-6)

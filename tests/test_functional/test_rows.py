"""The arithmetic that keeps digits."""

import pytest
import torch

from ickd_mm.functional.rows import power_of_two, row_terms, scaled_difference, short_number

DTYPES = [torch.float32, torch.float64]


@pytest.mark.parametrize('dtype', DTYPES)
def test_power_of_two_is_the_nearest(dtype):
    x = torch.tensor([1.0, 1.4, 1.42, 3.0, 0.26, 1e-20, 6e10], dtype=dtype)
    want = torch.tensor([1.0, 1.0, 2.0, 4.0, 0.25, 2.0**-66, 2.0**36], dtype=dtype)
    assert torch.equal(power_of_two(x), want)


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('rounding', [power_of_two, short_number])
def test_nothing_sensible_becomes_one(dtype, rounding):
    x = torch.tensor([0.0, -1.0, float('inf'), float('nan')], dtype=dtype)
    assert torch.equal(rounding(x), torch.ones(4, dtype=dtype))


def test_short_numbers_are_close_and_short():
    x = torch.rand(1000) * 10 + 1e-3
    short = short_number(x)
    assert ((short - x).abs() / x).max() <= 2.0**-12 * 1.01
    assert torch.equal(short * 4097 - short * 4096, short)
    assert short_number(torch.tensor(1 + 1e-5)) == 1


@pytest.mark.parametrize('dtype', DTYPES)
def test_scaled_difference_of_close_maps_is_exact_to_rounding(dtype):
    torch.manual_seed(0)
    factor = short_number(torch.tensor(3.7, dtype=dtype))
    t = torch.randn(1000, dtype=dtype)
    s = factor * t * (1 + 1e-5 * torch.randn(1000, dtype=dtype))
    got = scaled_difference(s, t, factor)
    if dtype == torch.float32:
        want = s.double() - factor.double() * t.double()
        assert ((got - want).abs() <= 1e-7 * want.abs() + 1e-30).all()
        plain = (s - factor * t).double()
        assert ((plain - want).abs() / want.abs().clamp_min(1e-30)).max() > 1e-3
    assert torch.allclose(got, s - factor * t, atol=1e-6)


def test_row_terms_of_known_rows():
    g = torch.tensor([[3.0, 4.0], [0.0, 0.0], [1.0, 0.0], [0.0, 0.0], [float('nan'), 1.0]])
    h = torch.tensor([[4.0, 3.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    delta = g - h
    products = ((g, g), (h, h), (delta, g), (delta, delta))
    terms = row_terms(*((x * y).sum(1) for x, y in products))
    assert torch.allclose(terms.loss[:4], torch.tensor([2 - 2 * 24 / 25, 1, 1, 0]))
    assert torch.equal(terms.weight[1:4], torch.zeros(3))
    assert terms.loss[4].isnan() and terms.weight[4].isnan()

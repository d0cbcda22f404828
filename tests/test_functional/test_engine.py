"""Choice of the route, and blocks that bound the memory."""

import pytest
import torch

from ickd_mm.benchmark.memory import peak_extra_bytes
from ickd_mm.functional import engine, icc_loss


@pytest.mark.parametrize('normalize', [True, False])
@pytest.mark.parametrize(
    'channels, pixels, route',
    [
        (512, 49, 'pixel'),
        (256, 64, 'pixel'),
        (512, 4, 'pixel'),
        (2048, 16, 'pixel'),
        (512, 4096, 'channel'),
        (2048, 4096, 'channel'),
        (64, 1024, 'channel'),
    ],
)
def test_route_of_known_recipes(channels, pixels, route, normalize):
    assert engine.choose_route(channels, pixels, pixels, normalize) == route
    if channels > 256:
        assert engine.choose_route(channels, pixels, pixels + 1, normalize) == route


def test_one_pixel_has_no_other_route():
    assert engine.choose_route(2, 1, 400, True) == 'pixel'


@pytest.mark.parametrize('route', ['pixel', 'channel'])
@pytest.mark.parametrize('normalize', [True, False])
@pytest.mark.parametrize('other', [(8, 9), (5, 7)])
def test_block_size_does_not_change_the_result(monkeypatch, error, other, normalize, route):
    torch.manual_seed(0)
    student, teacher = torch.randn(3, 300, 8, 9), torch.randn(3, 300, *other)
    whole = engine.evaluate(student, teacher, (3, 2), normalize, True, route)
    monkeypatch.setitem(engine.BLOCK, 'cpu', 1)
    parts = engine.evaluate(student, teacher, (3, 2), normalize, True, route)
    assert error(parts[0], whole[0]) < 1e-6 and error(parts[1], whole[1]) < 1e-6


@pytest.mark.parametrize(
    'shape, grid, limit',
    [
        ((4, 256, 32, 32), 16, 1),
        ((16, 256, 32, 32), 16, 1),
        ((16, 256, 16, 16), 1, 1),
        ((1, 1024, 32, 32), 1, 3.5),
    ],
)
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_memory_is_the_gradient_and_a_few_blocks(shape, grid, limit, layout):
    student = torch.randn(shape).to(memory_format=layout).requires_grad_()
    teacher = torch.randn(shape).to(memory_format=layout)
    peak = peak_extra_bytes(lambda: icc_loss(student, teacher, grid).backward())
    blocks = 16 * 4 * engine.BLOCK['cpu']
    assert peak <= limit * student.numel() * 4 + blocks


def test_nothing_but_the_gradient_is_kept_for_backward():
    student = torch.randn(2, 64, 16, 16, requires_grad=True)
    loss = icc_loss(student, torch.randn(2, 64, 16, 16))
    assert loss.grad_fn.grad.shape == student.shape
    assert len(loss.grad_fn.saved_tensors) == 2

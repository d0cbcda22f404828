"""Choice of the route, and blocks that bound the memory."""

import pytest
import torch

from ickd_mm.commands.benchmark.memory import peak_extra_bytes
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
        (64, 64, 'plain'),
        (128, 256, 'plain'),
        (64, 1024, 'plain'),
    ],
)
def test_route_of_known_recipes(channels, pixels, route, normalize):
    assert engine.choose_route(channels, pixels, pixels, normalize) == route
    if channels > 256:
        assert engine.choose_route(channels, pixels, pixels + 1, normalize) == route


@pytest.mark.parametrize('normalize', [True, False])
def test_a_route_that_is_closed_is_not_chosen(normalize):
    assert engine.choose_route(64, 1024, 1024, normalize, plain=False) == 'channel'
    assert engine.choose_route(512, 1024, 1024, normalize) == 'channel'
    assert engine.choose_route(64, 3, 3, normalize) == 'pixel'


def test_costs_grow_with_every_size():
    for normalize in (True, False):
        for other in (30, 31):
            base = engine.route_costs(64, 30, other, normalize)
            for more in ((65, 30, other), (64, 40, 40 + other - 30)):
                grown = engine.route_costs(*more, normalize)
                assert all(grown[route] > cost for route, cost in base.items())


@pytest.mark.parametrize('shape', [(2, 64, 16, 16), (4, 12, 8, 8)])
def test_near_equal_maps_leave_the_plain_route(monkeypatch, shape):
    taken = []
    monkeypatch.setattr(
        engine._Work,
        'careful',
        lambda work, route, *regions: taken.append(route) or torch.zeros(()),
    )
    torch.manual_seed(0)
    teacher = torch.randn(shape)
    engine.evaluate(torch.randn(shape), teacher, (1, 1), True, True)
    assert not taken
    engine.evaluate(teacher + 1e-3, teacher, (1, 1), True, True)
    assert taken == (['channel'] if shape[1] > engine.FEW_CHANNELS else [])


def test_one_pixel_has_no_other_route():
    assert engine.choose_route(2, 1, 400, True) == 'pixel'


@pytest.mark.parametrize('route', ['pixel', 'channel', 'plain'])
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

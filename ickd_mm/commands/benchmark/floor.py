"""The least time a route can take: its matrix products at full speed, its maps read once."""

from __future__ import annotations

from typing import NamedTuple

import torch

from ...functional.cells import paired_spans
from ...functional.engine import choose_route
from .timing import in_turns


class Speed(NamedTuple):
    """What a device does at best, measured."""

    flops: float
    bytes: float


class Work(NamedTuple):
    """What a route has to do."""

    route: str
    flops: float
    bytes: float

    def seconds(self, speed: Speed) -> float:
        """Time at full speed, products and traffic one after the other."""
        return self.flops / speed.flops + self.bytes / speed.bytes


def measure_speed(device: str = 'cpu') -> Speed:
    """Time a large float32 product and a large copy; the best of some rounds."""
    side = 2048 if torch.device(device).type == 'cpu' else 8192
    a = torch.randn(side, side, device=device)
    big = torch.randn(2**25, device=device)
    out, target = torch.empty_like(a), torch.empty_like(big)
    calls = {
        'product': lambda: torch.mm(a, a, out=out),
        'copy': lambda: target.copy_(big),
    }
    times = in_turns(calls, device, budget=2.0, least=5)
    return Speed(
        2 * side**3 / min(times['product'].seconds),
        2 * big.numel() * big.element_size() / min(times['copy'].seconds),
    )


def cell_flops(channels: int, student: int, teacher: int, normalize: bool, route: str) -> float:
    """Count multiplications and additions of the products for one cell, with gradient.

    A symmetric product counts half on the careful C×C route, where it is large enough to be
    taken in parts, and in full on the others.
    """
    if route == 'pixel':
        if student == teacher:
            return 2.0 * channels * (13 if normalize else 5) * student * student
        own, other, mixed = (4, 2, 4) if normalize else (2, 1, 2)
        return 2.0 * channels * (own * student**2 + other * teacher**2 + mixed * student * teacher)
    if route == 'plain':
        return 2.0 * channels**2 * (2 * student + (teacher if normalize else 0))
    return 2.0 * channels**2 * (1.5 * student + 0.5 * teacher)


def work(
    student: tuple[int, ...], teacher: tuple[int, ...], grid: tuple[int, int], normalize: bool
) -> Work:
    """Count the products of a loss with gradient, and the bytes of both maps and the gradient.

    Args:
        student: (N, C, H, W).
        teacher: (N, C, H', W').
        grid: cells down and across.
        normalize: the row-normalised form; else the paper's.
    """
    images, channels = student[:2]
    flops, routes = 0.0, set()
    for rows in paired_spans(student[2], teacher[2], grid[0]):
        for cols in paired_spans(student[3], teacher[3], grid[1]):
            own, other = (r.size * c.size for r, c in zip(rows, cols))
            route = choose_route(channels, own, other, normalize)
            routes.add(route)
            cells = images * rows[0].cells * cols[0].cells
            flops += cells * cell_flops(channels, own, other, normalize, route)
    numbers = images * channels * (2 * student[2] * student[3] + teacher[2] * teacher[3])
    return Work('+'.join(sorted(routes)), flops, 4.0 * numbers)

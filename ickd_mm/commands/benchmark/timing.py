"""Time several calls in interleaved rounds, so that a busy machine slows all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch


class Times(NamedTuple):
    """Seconds of the rounds of one call."""

    seconds: list[float]

    @property
    def median(self) -> float:
        """Median of the rounds."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Distance between the quartiles as a share of the median."""
        if len(self.seconds) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.seconds, n=4, method='inclusive')
        return (high - low) / self.median


def once(call: Callable[[], Any], device: str) -> float:
    """Return the seconds that ``call`` takes, to the end of its work on ``device``."""
    on_gpu = torch.device(device).type == 'cuda'
    if on_gpu:
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    call()
    if on_gpu:
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def in_turns(
    calls: Mapping[str, Callable[[], Any]],
    device: str = 'cpu',
    budget: float = 5.0,
    min_rounds: int = 3,
    max_rounds: int = 25,
) -> dict[str, Times]:
    """Time calls one after the other, round by round.

    Args:
        calls: name → call; each is run once before the clock starts.
        device: where they run.
        budget: seconds after which no further round begins, once ``min_rounds`` are done.
        min_rounds: rounds that are run however long they take.
        max_rounds: rounds after which the timing ends.
    """
    for call in calls.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    start = time.perf_counter()
    for done in range(max_rounds):
        if done >= min_rounds and time.perf_counter() - start > budget:
            break
        for name, call in calls.items():
            seconds[name].append(once(call, device))
    return {name: Times(taken) for name, taken in seconds.items()}

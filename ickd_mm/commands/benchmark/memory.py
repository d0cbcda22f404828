"""Peak memory of a call, from the allocator itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile


def peak_extra_bytes(call: Callable[[], Any], device: str = 'cpu') -> int:
    """Return how far the memory of tensors rises above its level at the start of ``call``.

    On a CPU every allocation and release that PyTorch's allocator makes is recorded and summed
    in order, temporaries inside operators included; scratch space that the BLAS library takes
    for itself is not seen. On a GPU the caching allocator keeps the peak.

    Args:
        call: what to measure; run it once before, so that nothing is set up meanwhile.
        device: where it runs.
    """
    if torch.device(device).type == 'cuda':
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        call()
    events = [e for e in recorded.profiler.kineto_results.events() if e.name() == '[memory]']
    level = peak = 0
    start = 'start_ns' if events and hasattr(events[0], 'start_ns') else 'start_us'  # torch < 2.3
    for event in sorted(events, key=lambda e: getattr(e, start)()):
        level += event.nbytes()
        peak = max(peak, level)
    return peak

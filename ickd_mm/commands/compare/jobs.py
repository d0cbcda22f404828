"""Run several trainings, a few at a time, and estimate the time left."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from statistics import mean
from subprocess import Popen
from typing import Any

from rich.console import Console

from .run import Run

EVERY = 30.0  # seconds from one line of progress to the next where the output is not a terminal
LOOK = 2.0  # seconds from one look into the runs' logs to the next


def time_left(done: list[float], running: list[tuple[float, float]], queued: int, jobs: int) -> str:
    """Estimate the wall-clock until all runs have ended.

    Args:
        done: seconds that each finished run took.
        running: for each run under way, its seconds so far and the part of it that is done, 0-1.
        queued: runs to be started, each taken to last as long as the mean of the others.
        jobs: runs at a time.
    """
    to_go = [seconds / part - seconds for seconds, part in running if part > 0]
    lengths = done + [seconds / part for seconds, part in running if part > 0]
    if len(to_go) < len(running) or not lengths:
        return 'time left: not known yet' if running or queued else '0:00:00 left'
    left = max([(sum(to_go) + mean(lengths) * queued) / jobs, *to_go])
    return f'{timedelta(seconds=round(left))} left'


def run_all(
    runs: list[Run], jobs: int, console: Console, before: int = 0
) -> tuple[list[dict[str, Any]], list[str]]:
    """Run all in order, ``jobs`` at a time, sharing the cores; return results and failures.

    A failed run does not stop the others. A progress line, which counts the runs that had finished
    ``before``, stays at the bottom of a terminal; elsewhere it is printed every half minute.
    """
    threads = max(1, (os.cpu_count() or 1) // jobs)
    queue, running = list(runs), list[tuple[Run, Popen, float]]()
    results, failures = list[dict[str, Any]](), list[str]()
    start = printed = time.monotonic()
    looked = start - LOOK

    def attempt(run: Run, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except Exception as error:
            label = '{name} seed={seed}'.format(**run.about)
            failures.append(f'{label}: {type(error).__name__}: {error}')
            console.print(f'{label} failed')

    def progress() -> str:
        parts = [(run, began, *run.progress()) for run, _, began in running]
        now, total = time.time(), before + len(runs)
        left = time_left(
            [result['seconds'] for result in results],
            [(now - began, done / of) for _, began, done, of in parts],
            len(queue),
            jobs,
        )
        elapsed = timedelta(seconds=round(time.monotonic() - start))
        names = [f'{run.about["name"]} {done}/{of}' for run, _, done, of in parts]
        count = f'{total - len(queue) - len(running)}/{total} runs'
        return ', '.join([count, f'{elapsed} elapsed', left]) + ': ' + ', '.join(names)

    try:
        with console.status('') as status:
            while queue or running:
                while queue and len(running) < jobs:
                    run = queue.pop(0)
                    process = attempt(run, partial(run.start, threads))
                    running += [(run, process, time.time())] if process else []
                for job in [job for job in running if job[1].poll() is not None]:
                    running.remove(job)
                    run, process, began = job
                    if new := attempt(run, partial(run.finish, process, began)):
                        results.append(new)
                        text = '{name} seed={seed}: {metric} {score:.2f} in {seconds:.0f} s'
                        console.print(text.format(**new))
                if running and time.monotonic() - looked >= min(LOOK, EVERY):
                    looked, line = time.monotonic(), progress()
                    status.update(line)
                    if not console.is_terminal and looked - printed >= EVERY:
                        printed = looked
                        console.print(line)
                time.sleep(0.2)
    finally:
        for _, process, _ in running:
            process.terminate()
            process.wait()
    return results, failures

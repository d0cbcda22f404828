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

EVERY = 60.0  # seconds from one line of progress to the next where the output is not a terminal


def time_left(seconds: list[float], to_go: int, jobs: int, since: float) -> str:
    """Mean wall-clock of the new runs × runs to go / runs at a time, less that ``since`` the last.

    Before the first new run ends there is nothing to go by.
    """
    if to_go and not seconds:
        return 'time left: after the first run'
    left = mean(seconds) * to_go / min(jobs, to_go) - since if to_go else 0.0
    return f'{timedelta(seconds=round(max(0.0, left)))} left'


def run_all(
    runs: list[Run], jobs: int, console: Console, before: int = 0
) -> tuple[list[dict[str, Any]], list[str]]:
    """Run all in order, ``jobs`` at a time, sharing the cores; return results and failures.

    A failed run does not stop the others. A progress line, which counts the runs that had finished
    ``before``, stays at the bottom of a terminal; elsewhere it is printed every minute.
    """
    threads = max(1, (os.cpu_count() or 1) // jobs)
    queue, running = list(runs), list[tuple[Run, Popen, float]]()
    results, failures = list[dict[str, Any]](), list[str]()
    start = last = printed = time.monotonic()

    def attempt(run: Run, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except Exception as error:
            label = '{name} seed={seed}'.format(**run.about)
            failures.append(f'{label}: {type(error).__name__}: {error}')
            console.print(f'{label} failed')

    try:
        with console.status('') as status:
            while queue or running:
                while queue and len(running) < jobs:
                    run = queue.pop(0)
                    process = attempt(run, partial(run.start, threads))
                    running += [(run, process, time.time())] if process else []
                for job in [job for job in running if job[1].poll() is not None]:
                    running.remove(job)
                    last, (run, process, began) = time.monotonic(), job
                    if new := attempt(run, partial(run.finish, process, began)):
                        results.append(new)
                        text = '{name} seed={seed}: {metric} {score:.2f} in {seconds:.0f} s'
                        console.print(text.format(**new))
                now, to_go = time.monotonic(), len(queue) + len(running)
                left = time_left([r['seconds'] for r in results], to_go, jobs, now - last)
                total, elapsed = before + len(runs), timedelta(seconds=round(now - start))
                line = f'{total - to_go}/{total} runs, {elapsed} elapsed, {left}'
                status.update(line)
                if not console.is_terminal and now - printed >= EVERY:
                    printed = now
                    console.print(line)
                time.sleep(0.2)
    finally:
        for _, process, _ in running:
            process.terminate()
            process.wait()
    return results, failures

"""The time that a comparison still takes, from the runs that it has made so far."""

from __future__ import annotations

import statistics

from rich.progress import ProgressColumn, Task
from rich.text import Text


class TimeLeftColumn(ProgressColumn):
    """Time left: mean wall clock of the new runs × runs to go / runs at a time.

    rich's own estimate looks back 30 seconds, in which a training seldom ends, and takes what
    was finished before for speed. Before the first run ends there is nothing to go by.

    The task's fields: ``seconds``, the wall clocks of the runs that have ended since the start,
    and ``last``, when the newest did, by the progress bar's clock.

    Args:
        jobs: runs at a time, at least 1.
    """

    def __init__(self, jobs: int) -> None:
        super().__init__()
        self.jobs = jobs

    def seconds(self, task: Task) -> float | None:
        """Seconds to the end, or None while they are not known."""
        clocks, to_go = task.fields['seconds'], task.remaining
        if not to_go or to_go < 0:
            return 0.0
        if not clocks:
            return None
        rounds = to_go / min(self.jobs, to_go)
        return max(0.0, statistics.mean(clocks) * rounds - task.get_time() + task.fields['last'])

    def render(self, task: Task) -> Text:
        """Show it as h:mm:ss."""
        left = self.seconds(task)
        if left is None:
            return Text('time left: after the first run', style='progress.remaining')
        minutes, seconds = divmod(round(left), 60)
        hours, minutes = divmod(minutes, 60)
        return Text(f'{hours}:{minutes:02d}:{seconds:02d} left', style='progress.remaining')

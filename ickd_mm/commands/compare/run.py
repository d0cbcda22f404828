"""One training through ``tools/train.py``, in a process of its own, remembered on disk."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from mmengine.config import Config

from .digest import digest_of

RESULT = 'result.json'
METRICS = ('mIoU', 'accuracy/top1')
NO_SCORES = {'step', 'epoch', 'iter', 'time', 'data_time', 'memory'}


class NoScore(RuntimeError):
    """A run's validations did not log any of the scores that count."""


@dataclass(frozen=True)
class Run:
    """A training, remembered in ``result.json`` of its folder.

    Attributes:
        cfg: its config, seed included.
        folder: its work folder.
        state: :func:`digest_of` its config.
        about: what the tables say about it beside its result.
        store: folder of the teacher's features (``teacher_run.store``); it changes no score.
        metrics: names of scores in mmengine's log; the first that was logged counts.
    """

    cfg: Config
    folder: Path
    state: str
    about: dict[str, Any] = field(default_factory=dict)
    store: Path | None = None
    metrics: tuple[str, ...] = METRICS

    def finished(self) -> dict[str, Any] | None:
        """What :meth:`finish` returned, if this run has finished before; raises as it does."""
        file = self.folder / RESULT
        return self._row(json.loads(file.read_text())) if file.is_file() else None

    def start(self, threads: int | None = None) -> subprocess.Popen:
        """Start the process, or resume from an interrupted one's last checkpoint."""
        resume = (self.folder / 'last_checkpoint').is_file() and not self._trained()
        if not resume and self.folder.exists():  # its log would count the earlier start too
            shutil.rmtree(self.folder)
        words = command('train.py', self.cfg, self.folder)
        if resume:
            words.append('--resume')
            (self.folder / 'resumed').touch()
        if self.store is not None:
            words += ['--cfg-options', f'model.teacher_run.store={self.store}']
        env = {**({'OMP_NUM_THREADS': str(threads)} if threads else {}), **os.environ}
        with open(self.folder / 'train.log', 'ab') as log:
            return subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=env,
                preexec_fn=_die_with_parent if sys.platform == 'linux' else None,
            )

    def finish(self, process: subprocess.Popen, started: float) -> dict[str, Any]:
        """Store and return the result of a process that has ended.

        It is what :func:`read_log` returns; ``seconds`` of wall-clock since the last start;
        ``shared``, whether the teacher's features may have been read; ``resumed``, whether it was
        resumed from a checkpoint; ``state``; ``about``; and of the ``metric`` that counts its
        ``curve`` and last ``score``, 0-100.

        Raises:
            NoScore: if no validation logged a score that counts.
            RuntimeError: if it failed, or a file that the config names changed meanwhile.
        """
        if process.wait() != 0:
            log = (self.folder / 'train.log').read_text('utf-8', errors='replace')
            raise RuntimeError(tail(process, log))
        if digest_of(self.cfg) != self.state:
            raise RuntimeError(
                f'{self.folder}: a file that its config names changed during the run; run it again'
            )
        result = {**self.about, 'state': self.state, 'seconds': time.time() - started}
        result |= {'shared': self.store is not None, **read_log(self.folder)}
        result['resumed'] = (self.folder / 'resumed').is_file()
        row = self._row(result)
        part = self.folder / 'result.part'
        part.write_text(json.dumps(result, indent=1))
        part.replace(self.folder / RESULT)  # whole, or not there
        return row

    def progress(self) -> tuple[int, int]:
        """Iterations, or whole epochs, that its log has seen, and how many there are in all."""
        loop, lines = self.cfg.train_cfg, [x for x in read_scalars(self.folder) if 'loss' in x]
        if loop.get('max_iters'):
            return max((int(line['step']) for line in lines), default=0), loop.max_iters
        return max((int(line['epoch']) for line in lines), default=1) - 1, loop.max_epochs

    def _row(self, result: dict[str, Any]) -> dict[str, Any]:
        for metric in self.metrics:
            if curve := result['curves'].get(metric):
                score = {'metric': metric, 'curve': curve, 'score': curve[-1][1]}
                return {**result, **self.about, **score}
        logged = ', '.join(result['curves'])
        raise NoScore(
            f'{self.folder} has no score {" or ".join(self.metrics)}; its validations logged '
            f'{logged or "nothing"}' + '; name one with --metric' * bool(logged)
        )

    def _trained(self) -> bool:
        """Whether it was killed between its last checkpoint and its score, which resuming lacks."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            last = Path((self.folder / 'last_checkpoint').read_text().strip()).stem
            loop = self.cfg.train_cfg
            return int(last.rsplit('_', 1)[-1]) >= int(loop.get('max_iters') or loop.max_epochs)
        return False


def command(tool: str, cfg: Config, folder: Path) -> list[str]:
    """Keep a config in a folder, safe from edits; return the command with which a tool runs it."""
    package = Path(__file__).resolve().parents[2]
    tools = (package.parent / 'tools' / tool, package / '.mim/tools' / tool)  # checkout, wheel
    script = next(path for path in tools if path.is_file())
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f'{Path(cfg.filename).stem}.py'
    cfg.dump(file)
    return [sys.executable, str(script), str(file), '--work-dir', str(folder)]


def tail(process: Any, output: str) -> str:
    """The message about a process that failed: its command and its last lines."""
    lines = '\n'.join(output.splitlines()[-8:])
    return f'{" ".join(process.args[1:])}\nended with {process.returncode}:\n{lines}'


def _die_with_parent() -> None:
    """Ask Linux to end this process with its parent: the next comparison needs its folder."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def read_scalars(folder: Path) -> list[dict[str, Any]]:
    """Read mmengine's log of a run over all its starts, without lines that were cut off."""
    lines: list[dict[str, Any]] = []
    for file in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in file.read_text().splitlines():
            with contextlib.suppress(ValueError):
                lines.append(json.loads(line))
    return lines


def read_log(folder: Path) -> dict[str, Any]:
    """Collect from a run's log what its result needs.

    ``curves`` has [iteration or epoch, score] of each validation for every score, ``iterations``
    the number of iterations, ``step_times`` the seconds of one with its data in each window of the
    log, ``step_seconds`` their median, NaN where there is none.
    """
    scalars = read_scalars(folder)
    trained = [line for line in scalars if 'loss' in line]
    last = max((int(line['step']) for line in trained), default=0)
    times = [line['time'] for line in trained if 'time' in line]
    curves: dict[str, dict[int, float]] = {}
    for line in scalars:
        for key in sorted(set(line) - NO_SCORES) if 'loss' not in line else ():
            # At 0: LoggerHook(log_metric_by_epoch=True) in a loop without epochs.
            curves.setdefault(key, {})[int(line['step']) or last] = line[key]
    return {
        'curves': {key: sorted(curve.items()) for key, curve in curves.items()},
        'iterations': max([last, *map(max, curves.values())]),  # the last may not be logged
        'step_times': times,
        'step_seconds': median(times) if times else float('nan'),
    }

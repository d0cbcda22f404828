"""One training run through ``tools/train.py``, in a process of its own, remembered on disk."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import itertools
import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..preflight.model_source import read_config
from ..registry import is_distiller

RESULT, IDENTITY, RESUMED = 'result.json', 'run.json', 'resumed'
METRICS = ('mIoU', 'accuracy/top1')


class NoScore(RuntimeError):
    """A run's log does not have the score that is asked for."""


def tool(name: str) -> Path:
    """Path of a command-line tool, in a checkout or an installed wheel.

    Raises:
        FileNotFoundError: if it is in neither place.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package.parent / 'tools', package / '.mim' / 'tools'):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f'no {name} in {package.parent / "tools"} or {package / ".mim/tools"}')


def replace_text(file: Path, text: str) -> None:
    """Write a file as a whole: a process that is killed meanwhile leaves the old one."""
    part = file.with_suffix('.part')
    part.write_text(text)
    part.replace(file)


def _die_with_parent() -> None:
    """Ask Linux to end this process with its parent, however that ends.

    A training that outlived a killed comparison would write into the folder of the one that
    the next comparison starts.
    """
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _in_order(value: Any) -> Any:
    """Dicts as sorted lists: their keys need not be of one type."""
    if isinstance(value, dict):
        return ['dict', *sorted([repr(key), _in_order(item)] for key, item in value.items())]
    if isinstance(value, (list, tuple)):
        return [_in_order(item) for item in value]
    return repr(value)


def digest_of_values(values: dict) -> str:
    """Digest of a config's values: comments, their order and the checkout's place do not count."""
    return hashlib.sha256(json.dumps(_in_order(values)).encode()).hexdigest()


def digest_of(named: str) -> str:
    """Digest of what a config names: a config, ``package::path``, or a file of weights.

    What is not on this disk (a URL, 'zoo') counts by its name.
    """
    if named.endswith('.py'):
        return digest_of_values(read_config(named, 'model').to_dict())
    if os.path.isfile(named):
        stat = os.stat(named)
        return _file_digest(named, stat.st_mtime_ns, stat.st_size)
    return hashlib.sha256(named.encode()).hexdigest()


@functools.lru_cache
def _file_digest(path: str, *_: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@dataclass
class Result:
    """What one finished run gave.

    Attributes:
        metric: name of the score.
        score: the last validation's, 0-100.
        seconds: wall-clock of the training process, start-up and validation included.
        step_seconds: median time of one iteration, data loading included.
        curve: (iteration, score) of every validation; (epoch, score) where training counts those.
        shared: whether the run could read the teacher's features: then its times do not count.
        resumed: whether it went on from a checkpoint: then augmentation had other random numbers.
        iterations: the last one that was logged.
    """

    metric: str
    score: float
    seconds: float
    step_seconds: float
    curve: list[tuple[int, float]] = field(default_factory=list)
    shared: bool = False
    resumed: bool = False
    iterations: int = 0

    @property
    def length(self) -> int:
        """Iterations of the run, also where its validations count epochs."""
        return max(self.iterations, self.curve[-1][0])  # the last ones may not be logged


@dataclass(frozen=True)
class Run:
    """A config, the values changed in it, and the folder of its run.

    Attributes:
        config: config file.
        folder: work folder; ``result.json`` in it marks a finished run.
        options: config keys and their values, as ``--cfg-options`` takes them.
        store: folder of the teacher's features (``teacher_run.store``), or None. It changes no
            score, only times, so it is no part of the run's identity.
        metric: the score that counts, as mmengine logs it; None for mIoU or top-1.
    """

    config: str
    folder: Path
    options: tuple[tuple[str, Any], ...] = ()
    store: Path | None = None
    metric: str | None = None

    def distils(self) -> bool:
        """Whether the config's model is a distiller."""
        cfg = Config.fromfile(self.config, import_custom_modules=False)
        return is_distiller(cfg.get('model', {}))

    def identity(self) -> dict[str, Any]:
        """What the result depends on: a folder of another identity is not this run's.

        That is the config's values, those changed, and what a distiller's config only names:
        other configs and the teacher's weights, where they are local files.
        """
        cfg = Config.fromfile(self.config, import_custom_modules=False)
        digests = {'config': digest_of_values(cfg.to_dict())}
        cfg.merge_from_dict(dict(self.options))
        for key in ('student', 'teacher', 'teacher_ckpt'):
            named = cfg.model.get(key) if is_distiller(cfg.get('model')) else None
            if isinstance(named, str):
                digests[key] = digest_of(named)
            elif isinstance(named, dict):
                digests[key] = digest_of_values(dict(named))
        return {**digests, 'options': {k: str(v) for k, v in self.options}}

    def finished(self) -> Result | None:
        """Return the result if this very run has finished before, else None.

        One that was set aside for another in the meantime changes places with that.

        Raises:
            NoScore: if it has, without the score that is asked for, with those that it has.
        """
        identity = self.identity()
        done = self._stored(self.folder, identity)
        for aside in () if done else self._asides():
            if self._stored(aside, identity):
                self.set_aside()
                shutil.rmtree(self.folder, ignore_errors=True)
                aside.rename(self.folder)
                return self._stored(self.folder, identity)
        return done

    def _stored(self, folder: Path, identity: dict[str, Any]) -> Result | None:
        try:
            stored = json.loads((folder / RESULT).read_text())
            if stored.pop('run') == identity:
                curve = [(int(step), score) for step, score in stored.pop('curve')]
                result = Result(**stored, curve=curve)
                if result.metric in (METRICS if self.metric is None else (self.metric,)):
                    return result
                other = read_result(folder, result.seconds, self.metric)  # the log has all scores
                other.shared, other.resumed = result.shared, result.resumed
                return other
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None

    def _asides(self) -> list[Path]:
        start = self.folder.name + '.'
        beside = self.folder.parent.iterdir() if self.folder.parent.is_dir() else ()
        return sorted(f for f in beside if f.name.startswith(start) and f.name.endswith('.before'))

    def set_aside(self) -> Path | None:
        """Move a finished run of another identity out of this one's folder; return where to."""
        if not (self.folder / RESULT).is_file() or self._stored(self.folder, self.identity()):
            return None
        names = (
            self.folder.with_name(f'{self.folder.name}.{n}.before') for n in itertools.count(1)
        )
        aside = next(name for name in names if not name.exists())
        self.folder.rename(aside)
        return aside

    def command(self) -> list[str]:
        """The command line of this run; it goes on where an interrupted one stopped."""
        words = [sys.executable, str(tool('train.py')), self.config, '--work-dir', str(self.folder)]
        if (self.folder / 'last_checkpoint').is_file():
            words.append('--resume')
        options = [f'{key}={value}' for key, value in self.options]
        if self.store is not None and self.distils():
            options.append(f'model.teacher_run.store={self.store}')
        if options:
            words += ['--cfg-options', *options]
        return words

    def _ended(self) -> bool:
        """Whether training ended, and not its last validation: resumed, it has no score."""
        try:
            last = Path((self.folder / 'last_checkpoint').read_text().strip()).stem
            cfg = Config.fromfile(self.config, import_custom_modules=False)
            cfg.merge_from_dict(dict(self.options))
            loop = cfg.get('train_cfg') or {}
            end = int(loop.get('max_iters') or loop['max_epochs'])  # varied, it is text
            return int(last.rsplit('_', 1)[-1]) >= end
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def start(self, threads: int | None = None) -> subprocess.Popen:
        """Start the process; its output goes to ``train.log`` in the run's folder.

        What another run left there is deleted first: :meth:`set_aside` keeps it. So is what this
        run left when it was interrupted between its last checkpoint and its score.
        """
        identity = json.dumps(self.identity())
        mark = self.folder / IDENTITY
        if not mark.is_file() or mark.read_text() != identity or self._ended():
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        mark.write_text(identity)
        command = self.command()
        if '--resume' in command:
            (self.folder / RESUMED).touch()
        env = dict(os.environ)
        if threads is not None:
            env.setdefault('OMP_NUM_THREADS', str(threads))
        with open(self.folder / 'train.log', 'ab') as log:
            return subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=env,
                preexec_fn=_die_with_parent if sys.platform == 'linux' else None,
            )

    def finish(self, process: subprocess.Popen, started: float) -> Result:
        """Store and return the result of a process that has ended.

        Raises:
            RuntimeError: if it failed or never validated, with the last lines of its log, or if
                the config or the teacher changed meanwhile: then it is another run's result.
        """
        if process.wait() != 0:
            tail = (self.folder / 'train.log').read_text(errors='replace').splitlines()[-8:]
            raise RuntimeError(
                f'{" ".join(self.command()[1:])}\nended with {process.returncode}:\n'
                + '\n'.join(tail)
            )
        result = read_result(self.folder, time.time() - started, self.metric)
        result.resumed = (self.folder / RESUMED).is_file()
        result.shared = self.store is not None and self.distils()
        started_as = json.loads((self.folder / IDENTITY).read_text())
        stored = dict(asdict(result), run=started_as)
        replace_text(self.folder / RESULT, json.dumps(stored, indent=1))
        if started_as != self.identity():
            raise RuntimeError(
                f'{self.folder}: {self.config} or its teacher changed during the run, whose result '
                'is kept as what it was when it started'
            )
        return result


def read_scalars(folder: Path) -> list[dict[str, Any]]:
    """Read what mmengine's local visualisation backend logged, over all starts of the run.

    A line that a process was killed in the middle of is left out.
    """
    lines: list[dict[str, Any]] = []
    for file in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in file.read_text().splitlines():
            with contextlib.suppress(ValueError):
                lines.append(json.loads(line))
    return lines


def read_result(folder: Path, seconds: float, metric: str | None = None) -> Result:
    """Collect a run's scores and step time from its log.

    Args:
        folder: of the run.
        seconds: it took.
        metric: the score that counts; None for mIoU or top-1, whichever there is.

    Raises:
        NoScore: if no such score was logged, with what was.
    """
    scalars = read_scalars(folder)
    wanted = METRICS if metric is None else (metric,)
    for metric in wanted:
        curve = {int(s['step']): float(s[metric]) for s in scalars if metric in s}
        if curve:
            trained = [s for s in scalars if 'loss' in s and 'time' in s]
            step = statistics.median([s['time'] for s in trained] or [math.nan])
            last = max((int(s['step']) for s in trained), default=0)
            if set(curve) == {0}:  # LoggerHook(log_metric_by_epoch=True) in a loop without epochs
                curve = {last: curve[0]}
            points = sorted(curve.items())
            return Result(metric, points[-1][1], seconds, step, points, iterations=last)
    scored = {key for line in scalars if 'loss' not in line for key in line}
    logged = ', '.join(sorted(scored - {'step', 'epoch', 'iter', 'time', 'data_time', 'memory'}))
    raise NoScore(
        f'{folder} has no score {" or ".join(wanted)}; its validations logged '
        f'{logged or "nothing"}' + '; name one with --metric' * bool(logged)
    )

"""Run the repository's tools in forked processes that need not import everything anew.

A server process imports the libraries once (``warm.py``); each run is forked from it, with its own
id, arguments, output files and signals, and executes the tool's file as a user's shell would.
"""

import multiprocessing
import os
import resource
import subprocess
import sys
import time
from multiprocessing import forkserver
from pathlib import Path
from unittest import mock

from support.executing import run_file
from support.repository import REPO

CONTEXT = multiprocessing.get_context('forkserver')
CONTEXT.set_forkserver_preload(['support.warm'])
TESTS = str(Path(__file__).parents[1])


def _start_server():
    """Start the process to fork from, with this folder in its path: Python passes none on."""
    path = os.pathsep.join(filter(None, [TESTS, os.environ.get('PYTHONPATH')]))
    with mock.patch.dict(os.environ, PYTHONPATH=path):
        forkserver.ensure_running()


def _execute(words, output, env, file_limit, cwd):
    os.chdir(cwd)
    os.environ.update(env)
    if file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout.reconfigure(line_buffering=True)  # what is printed stays before the error behind it
    sys.path[1:1] = env.get('PYTHONPATH', '').split(':')
    run_file(words)


class Forked:
    """A tool at work: ``pid``, ``output()`` so far, ``kill()``, ``wait()``."""

    def __init__(self, tool, *args, output, env=None, file_limit=None, cwd=REPO):
        words = [str(REPO / 'tools' / tool), *map(str, args)]
        self._file, self._args = output, words
        path = os.environ.get('PYTHONPATH', '')
        env = {'OMP_NUM_THREADS': '1', 'PYTHONPATH': path, **(env or {})}
        job = (words, str(output), env, file_limit, cwd)
        _start_server()
        self.process = CONTEXT.Process(target=_execute, args=job)
        self.process.start()

    @property
    def pid(self):
        return self.process.pid

    def output(self):
        return self._file.read_text(errors='replace') if self._file.is_file() else ''

    def kill(self):
        """Kill as ``kill -9`` does, and wait for the end."""
        self.process.kill()
        self.process.join(60)
        return self

    def wait(self, timeout=200):
        self.process.join(timeout)
        code = self.process.exitcode
        if code is None:
            self.kill()
            raise TimeoutError(f'{self._args} ran for more than {timeout} s:\n{self.output()}')
        return subprocess.CompletedProcess(self._args, code, self.output(), self.output())

    def until(self, condition, timeout=200):
        """Wait for a condition while the tool runs."""
        end = time.monotonic() + timeout
        while not condition():
            assert self.process.is_alive(), self.output()[-2000:]
            assert time.monotonic() < end, self.output()[-2000:]
            time.sleep(0.002)
        return self


def start_train(config, folder, *options, flags=(), name='output.txt', **kwargs):
    """Start tools/train.py."""
    folder.mkdir(parents=True, exist_ok=True)
    args = (config, '--work-dir', folder, *flags, '--cfg-options', *options)
    return Forked('train.py', *args, output=folder / name, **kwargs)


def train(config, folder, *options, timeout=200, **kwargs):
    """Run tools/train.py to its end."""
    return start_train(config, folder, *options, **kwargs).wait(timeout)

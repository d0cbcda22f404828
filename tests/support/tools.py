"""Run the repository's command-line tools and read what they write."""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from support.forking import Forked
from support.repository import REPO


def train(config, folder, *options, flags=(), **kwargs):
    """Run tools/train.py; its last lines are the message of a failed assertion."""
    args = (config, '--work-dir', folder, *flags, '--cfg-options', *options)
    return run_tool(REPO / 'tools/train.py', *args, **kwargs)


def succeed(done):
    assert done.returncode == 0, '\n'.join((done.stdout + done.stderr).splitlines()[-60:])
    return done


def scalars(folder):
    files = sorted(folder.glob('*/vis_data/scalars.json'))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def load(path):
    """Read as plain torch does: weights only."""
    return torch.load(path, weights_only=True)


def run_tool(script, *args, cwd=REPO, env=None, timeout=300, fresh=False):
    """Run a command-line tool in a process of its own.

    The repository's tools are forked from a process that has imported what they need, with one
    text for both outputs, one thread, and the environment of the first such run but for ``env``;
    ``fresh`` starts an interpreter instead, as a user's shell does: where imports are the point.
    """
    script = Path(script)
    if script.parent == REPO / 'tools' and not fresh:
        with TemporaryDirectory() as folder:
            output = Path(folder, 'output.txt')
            return Forked(script.name, *args, output=output, env=env, cwd=cwd).wait(timeout)
    command = [sys.executable, str(script), *map(str, args)]
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', **(env or {})}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout
    )

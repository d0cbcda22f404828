"""Fork the Python scripts that a process starts: its children need not import anew.

Arguments, environment, output files, signals and exit codes are those of a started process.
"""

import os
import subprocess
import sys

from support.executing import run_file_and_exit


class ForkingPopen(subprocess.Popen):
    """``Popen``; the child of ``[sys.executable, script, ...]`` never reaches ``exec``."""

    def __init__(self, words, env=None, preexec_fn=None, **kwargs):
        def prepare():
            if preexec_fn:
                preexec_fn()
            os.environ.update(env or {})
            sys.stdout, sys.stderr = (os.fdopen(n, 'w', 1, closefd=False) for n in (1, 2))

        def execute():
            # The parent waits until the child has closed the pipe that reports a failed exec.
            os.closerange(3, os.sysconf('SC_OPEN_MAX'))
            run_file_and_exit(words[1:], prepare)

        child = execute if words[0] == sys.executable else preexec_fn
        super().__init__(words, env=env, preexec_fn=child, **kwargs)


def fork_children():
    """Take ``ForkingPopen`` for every process that is started from now on."""
    subprocess.Popen = ForkingPopen

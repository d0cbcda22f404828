"""Fork the Python scripts that a process starts: its children need not import anew.

Arguments, environment, output files, signals and exit codes are those of a started process.
"""

import os
import runpy
import subprocess
import sys
import traceback

from support.quick import restore_threads


class ForkingPopen(subprocess.Popen):
    """``Popen``; the child of ``[sys.executable, script, ...]`` never reaches ``exec``."""

    def __init__(self, words, env=None, preexec_fn=None, **kwargs):
        def execute():
            # The parent waits until the child has closed the pipe that reports a failed exec.
            os.closerange(3, os.sysconf('SC_OPEN_MAX'))
            code = 1
            try:
                restore_threads()
                if preexec_fn:
                    preexec_fn()
                os.environ.update(env or {})
                sys.stdout, sys.stderr = (os.fdopen(n, 'w', 1, closefd=False) for n in (1, 2))
                sys.argv, sys.path[0] = words[1:], os.path.dirname(words[1])
                runpy.run_path(words[1], run_name='__main__')
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else bool(end.code)
                print(end.code if isinstance(end.code, str) else '', file=sys.stderr)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)

        child = execute if words[0] == sys.executable else preexec_fn
        super().__init__(words, env=env, preexec_fn=child, **kwargs)


def fork_children():
    """Take ``ForkingPopen`` for every process that is started from now on."""
    subprocess.Popen = ForkingPopen

"""Execute a Python file in a process that was forked for it."""

import os
import runpy
import sys
import traceback

import torch


def run_file(words):
    """Execute the file that a command line begins with, as ``python WORDS`` does."""
    torch.set_num_threads(1)  # renews torch's pool of threads, which a fork leaves behind
    sys.argv, sys.path[0] = words, os.path.dirname(words[0])
    runpy.run_path(words[0], run_name='__main__')


def run_file_and_exit(words, prepare):
    """Execute a file in a forked process and end that with its exit code.

    Args:
        words: the file and its arguments.
        prepare: called first, with its errors counted as the file's.
    """
    code = 1
    try:
        prepare()
        run_file(words)
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

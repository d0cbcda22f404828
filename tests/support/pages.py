"""The commands that the pages show, as bash takes them apart: every command is a stub that records.

A command is what stands in an indented block, or in a fence without a language.
"""

import re
import shutil
import subprocess
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from support.repository import REPO

PATTERNS = ('*.md', 'docs/*.md', 'configs/*/README.md', 'weights/README.md')
PAGES = sorted(page for pattern in PATTERNS for page in REPO.glob(pattern))
# Without a newline in it, a line is written at once: the calls of a pipe do not mix.
STUB = """#!/bin/bash
printf '%s\\0' "${0##*/}" "$@" $'\\x1e' >> "$RECORD"
"""
BASH = shutil.which('bash')
REAL = 'basename() { echo "${1##*/}"; }; dirname() { echo "${1%/*}"; }; export -f dirname'
OWN = r'(?<![\w.])(?:/tmp/fresh|\.venv/\w+)/bin/'  # of an environment that the page makes


class Block(NamedTuple):
    """Lines that a reader copies into a shell."""

    page: Path
    line: int
    text: str

    @property
    def where(self):
        """The page and the line, as an editor opens them."""
        return f'{self.page.relative_to(REPO)}:{self.line}'


def configs_shown(page):
    """The configs that a page shows behind their names: {name: text}."""
    shown = re.findall(
        r'^`(\w+\.py)`[^\n]*:\n\n```python\n(.*?)```', page.read_text('utf-8'), re.M | re.S
    )
    return dict(shown)


def blocks(page):
    """Yield a page's blocks of commands."""
    lines, fence, previous, number = page.read_text(encoding='utf-8').splitlines(), None, '', 0
    while number < len(lines):
        line = lines[number]
        if mark := re.match(r' *```(\w*)', line):
            fence = None if fence is not None else mark.group(1)
            inside = list(takewhile(lambda text: '```' not in text, lines[number + 1 :]))
            if fence == '':
                yield Block(page, number + 2, '\n'.join(inside))
        elif fence is None and not previous.strip() and re.match(r' {4,}\S', line):
            inside = list(takewhile(lambda text: re.match(r' {4}|$', text), lines[number:]))
            yield Block(page, number + 1, '\n'.join(inside))
            number += len(inside) - 1
        previous, number = lines[number], number + 1


def record(text, folder, names):
    """Run a block in ``folder`` with stubs of the commands ``names``; return what was called.

    Returns:
        A list of words for every call, and what bash complained of: a command without a stub.
    """
    stubs, calls = folder / 'stubs', folder / 'calls'
    stubs.mkdir()
    (stubs / 'bash').symlink_to(BASH)
    for name in names:
        (stubs / name).write_text(STUB)
        (stubs / name).chmod(0o755)
    (folder / 'tools').mkdir()
    (folder / 'data/fashionmnist').mkdir(parents=True)  # the page makes it with mkdir
    for script in REPO.glob('tools/*.sh'):
        shutil.copy(script, folder / 'tools')
    text = re.sub(OWN, '', text).replace('cd /tmp &&', '')
    env = dict(PATH=str(stubs), RECORD=str(calls))
    text = f'{REAL}\n{text}'
    done = subprocess.run([BASH, '-c', text], cwd=folder, env=env, capture_output=True, text=True)
    called = calls.read_text().split('\0\x1e\0')[:-1] if calls.exists() else []
    return [call.split('\0') for call in called], done.stderr

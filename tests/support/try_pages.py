"""Run the commands of the pages, made short: ``PYTHONPATH=tests python -m support.try_pages``.

In an empty folder beside links to the repository, page by page, in the order in which they stand.
Trainings take two iterations on 60 scenes. What is not run says why: it needs data or weights that
must be downloaded, GPUs, or a network; what stands behind the reason checks it otherwise.
Arguments: pages, as ``README.md``; default all.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from mmengine.config import Config

import ickd_mm  # noqa: F401 configs name it
from support.pages import PAGES, blocks, configs_shown, record
from support.repository import REPO

LINKS = (
    'configs',
    'docs',
    'ickd_mm',
    'tests',
    'tools',
    *(file.name for file in REPO.glob('constraints*.txt')),
)
MADE = ('Makefile', 'pyproject.toml', 'setup.cfg', 'setup.py')
SHORT = ('train_cfg.max_iters=2', 'train_cfg.val_interval=2', 'default_hooks.checkpoint.interval=2')
STUDENT = "_base_ = 'ickd_mm::baselines/pspnet_r18_voc.py'\n"
SYSTEM = ('apt-get', 'git', 'grep', 'gunzip', 'mkdir', 'rm', 'sort', 'wc', 'xargs')
COMMANDS = (*SYSTEM, 'make', 'mim', 'pip', 'python', 'srun', 'torchrun', 'twine')
ELSEWHERE = {
    'build': 'make package',
    'estimate': 'minutes; tests/test_commands/test_benchmark_estimate.py',
    'pytest': 'tests/test_docs/test_contributing.py',
    'ruff': 'make lint',
    'support.at_scale': 'minutes; docs/scale.md shows what it prints',
    'support.try_students': 'minutes; tests/test_tools/test_tried_students.py',
    'torch.distributed.run': 'GPUs; tests/test_tools/test_processes.py',
    'venv': 'make package',
}


class NotRun(Exception):
    """Why a command is not run here."""


def read(config, folder):
    """Read a config of the page or the repository; only those on the digits can train here."""
    if not (folder / config).is_file():
        raise NotRun('a config that the reader writes')
    cfg = Config.fromfile(folder / config)
    if 'digits' not in str(cfg.get('train_dataloader')):
        raise NotRun('data and weights; tests/test_configs and test_docs build it')
    return cfg


def with_options(words, options):
    """Add to ``--cfg-options``, which argparse takes once."""
    if '--cfg-options' not in words:
        return [*words, '--cfg-options', *options]
    place = words.index('--cfg-options') + 1
    return [*words[:place], *options, *words[place:]]


def shorten_compare(words):
    """One seed, three configs, two iterations."""
    configs = [word for word in words if word.startswith('configs/')]
    kept = [word for word in words if word not in configs[3:]]
    start = kept.index('--seeds') + 2
    while start < len(kept) and kept[start].isdigit():
        del kept[start]
    kept = [re.sub(r'(max_iters.*=)\d+:', r'\g<1>2:', word) for word in kept]
    extra = SHORT[1:2] if 'max_iters' in ' '.join(kept) else SHORT[:2]
    return [*kept, *(word for option in extra for word in ('--vary', option))]


def shortened(words, folder):
    """What is run in place of a call, and the name that its checkpoint gets.

    Raises:
        NotRun: where it cannot be run here.
    """
    name, *rest = words
    if name == 'make':
        return [name, '-n', *rest], None
    if name != 'python' or rest[0] == '-c':
        raise NotRun('a command of the system, or a network')
    if rest[0] == '-m':
        raise NotRun(ELSEWHERE[rest[1]])
    if not (folder / rest[0]).is_file() or 'convert' in rest[0]:
        raise NotRun('another project, or a download; tests/test_checkpoint/test_repdistiller.py')
    tool, given = Path(rest[0]).stem, rest[1:2]
    file = folder / (given or ['-'])[0]
    detects = file.suffix == '.py' and file.is_file() and "'mmdet::" in file.read_text('utf-8')
    if detects and not find_spec('mmdet'):
        raise NotRun('mmdet, which comes with STACK=onedl')
    if tool == 'prepare_digits':
        few = ['--unlabelled', '40'] if '--unlabelled' in rest else []
        return [sys.executable, *rest, '--train', '40', '--val', '20', *few], None
    if tool == 'compare':
        return [sys.executable, *shorten_compare(rest)], None
    if tool == 'benchmark':
        if given == ['estimate']:
            raise NotRun(ELSEWHERE['estimate'])
        few = {'step': ('--batch', '2', '--crop', '64', '--budget', '1'), 'loss': ('--only', '2')}
        place = rest.index('--cfg-options') if '--cfg-options' in rest else len(rest)
        return [sys.executable, *rest[:place], *few.get(given[0], ()), *rest[place:]], None
    if tool in ('train', 'test'):
        loop = read(given[0], folder).train_cfg
        if tool == 'train':
            return [sys.executable, *with_options(rest, SHORT)], f'iter_{loop.max_iters}.pth'
    if tool == 'inspect_model' and not (folder / given[0]).is_file() and '::' not in given[0]:
        raise NotRun('a config that the reader writes')
    if tool == 'export_student' and not (folder / given[0]).is_file():
        raise NotRun('a checkpoint of a recipe that was not run')
    return [sys.executable, *rest], None


def prepare(folder, page):
    """Lay the repository and the configs that the page shows into a folder."""
    for name in (*LINKS, *MADE):
        if (REPO / name).exists() and not (folder / name).exists():
            (folder / name).symlink_to(REPO / name)
    if not (folder / 'weights').exists():
        shutil.copytree(REPO / 'weights', folder / 'weights')
    (folder / 'my_student.py').write_text(STUDENT)
    for name, config in configs_shown(page).items():
        (folder / name).write_text(config)


def run(words, folder):
    """Run a call; return what to say about it."""
    try:
        command, checkpoint = shortened(words, folder)
    except NotRun as reason:
        return f'not run: {reason}'
    began = time.monotonic()
    env = {**os.environ, 'PYTHONPATH': f'{REPO}:{REPO / "tests"}', 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    if done.returncode:
        return f'FAILED\n{(done.stdout + done.stderr)[-2000:]}'
    if checkpoint:  # the name that a whole run would give it
        place = command.index('--work-dir') + 1 if '--work-dir' in command else None
        runs = folder / (command[place] if place else f'work_dirs/{Path(command[2]).stem}')
        shutil.copy(runs / 'iter_2.pth', runs / checkpoint)
    return f'ran in {time.monotonic() - began:.0f} s'


def main():
    """Run every page's commands."""
    asked, counts = {*sys.argv[1:]}, dict.fromkeys(('ran', 'not', 'FAILED'), 0)
    with tempfile.TemporaryDirectory() as root:
        work = Path(root, 'work')
        work.mkdir()
        for page in PAGES:
            if asked and str(page.relative_to(REPO)) not in asked:
                continue
            prepare(work, page)
            for block in blocks(page):
                with tempfile.TemporaryDirectory() as stubs:
                    calls, complaints = record(block.text, Path(stubs), COMMANDS)
                counts['FAILED'] += bool(complaints)
                for words in calls:
                    said = run(words, work)
                    counts[said.split()[0]] += 1
                    print(f'{block.where}: {" ".join(words)[:90]}: {said}', flush=True)
    print(', '.join(f'{name} {count}' for name, count in counts.items()))
    return counts['FAILED']


if __name__ == '__main__':
    sys.exit(main())

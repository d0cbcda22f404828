"""Helpers that tests import: the repository's tools, configs and data shapes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from mmengine.config import Config

REPO = Path(__file__).resolve().parent.parent
STUDENT = REPO / 'configs/baselines/pspnet_student_digits.py'
TEACHER = REPO / 'configs/baselines/pspnet_teacher_digits.py'
ICKD = REPO / 'configs/ickd/pspnet_digits.py'


def data_options(root):
    """Point every loader at a data root and make batches small."""
    loaders = ('train_dataloader', 'val_dataloader', 'test_dataloader')
    return [f'{name}.dataset.data_root={root}' for name in loaders] + [
        'train_dataloader.batch_size=4',
        'val_dataloader.batch_size=3',
        'default_hooks.logger.interval=1',
    ]


def train(config, folder, *options, flags=(), **kwargs):
    """Run tools/train.py; its last lines are the message of a failed assertion."""
    args = (config, '--work-dir', folder, *flags, '--cfg-options', *options)
    return run_tool(REPO / 'tools/train.py', *args, **kwargs)


def succeed(done):
    assert done.returncode == 0, '\n'.join((done.stdout + done.stderr).splitlines()[-25:])
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
    ``fresh`` starts an interpreter instead, as a user's shell does: once for each tool.
    """
    script = Path(script)
    if script.parent == REPO / 'tools' and not fresh:
        from forking import Forked

        with TemporaryDirectory() as folder:
            output = Path(folder, 'output.txt')
            return Forked(script.name, *args, output=output, env=env, cwd=cwd).wait(timeout)
    command = [sys.executable, str(script), *map(str, args)]
    environment = {**os.environ, 'OMP_NUM_THREADS': '2', **(env or {})}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout
    )


def kl_options():
    """What configs/ickd/README.md adds to a CIFAR-100 recipe to train it with KL too."""
    text = (REPO / 'configs/ickd/README.md').read_text(encoding='utf-8')
    return re.findall(r'(model\.pairs\.loss_kl\.\S+=\S+)', text)


def table_rows(page):
    """The rows of a page's tables, each a list of cells."""
    lines = page.read_text(encoding='utf-8').splitlines()
    return [[x.strip() for x in line.strip('|').split('|')] for line in lines if line[:1] == '|']


def model_config(name):
    return Config.fromfile(REPO / 'configs/baselines' / f'{name}.py').model


def batch(n=2, size=64, classes=11):
    """Random images and labels as mmseg's data loader hands them to a model."""
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    generator = torch.Generator().manual_seed(n + size)
    samples = []
    for _ in range(n):
        labels = torch.randint(0, classes, (1, size, size), generator=generator)
        sample = SegDataSample(metainfo=dict(img_shape=(size, size), ori_shape=(size, size)))
        samples.append(sample.set_data(dict(gt_sem_seg=PixelData(data=labels))) or sample)
    images = torch.randint(0, 256, (n, 3, size, size), generator=generator, dtype=torch.uint8)
    return dict(inputs=list(images), data_samples=samples)

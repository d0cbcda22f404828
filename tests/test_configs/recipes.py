"""The configs, and batches of the kind that each trains on, small enough for one core."""

import copy
import functools
from unittest import mock

import mmengine.config.utils as config_utils
import torch
from mmengine.config import Config
from support import REPO, batch

import ickd_mm  # noqa: F401

ROOT = REPO / 'configs'
FILES = sorted(file for file in ROOT.rglob('*.py') if '_base_' not in file.parts)
LARGEST = 65


def name(file):
    return file.relative_to(ROOT).with_suffix('').as_posix()


# mmengine parses a package's metafiles anew for every config that it inherits from there.
read_once = functools.cache(config_utils.load)


@functools.cache
def _read(file):
    with mock.patch.object(config_utils, 'load', read_once):
        return Config.fromfile(file)


def recipe(file):
    """A copy of a config, given as a file or by its name."""
    return copy.deepcopy(_read(ROOT / f'{file}.py' if isinstance(file, str) else file))


def student_of(model):
    return model.student if 'student' in model else model


def image_size(cfg):
    """The size that a config trains on: its preprocessor's, else that of its crop."""
    size = student_of(cfg.model).get('data_preprocessor', {}).get('size')
    for step in () if size else cfg.train_dataloader.dataset.get('pipeline', ()):
        size = size or step.get('crop_size') or (step.get('scale') if 'Crop' in step.type else 0)
    return (size[0] if isinstance(size, tuple) else size) or 32


def random_batch(cfg, size, n=2):
    student = student_of(cfg.model)
    if 'decode_head' in student:
        return batch(n, size, student.decode_head.num_classes)
    from mmpretrain.structures import DataSample

    images = torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8)
    labels = torch.randint(0, student.head.num_classes, (n,))
    return dict(inputs=list(images), data_samples=[DataSample().set_gt_label(i) for i in labels])

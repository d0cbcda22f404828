"""Where the repository's configs are, and how tests change them."""

import re
from pathlib import Path

from mmengine.config import Config

REPO = Path(__file__).resolve().parents[2]
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


def model_config(name):
    return Config.fromfile(REPO / 'configs/baselines' / f'{name}.py').model


def kl_options():
    """What configs/ickd/README.md adds to a CIFAR-100 recipe to train it with KL too."""
    text = (REPO / 'configs/ickd/README.md').read_text(encoding='utf-8')
    return re.findall(r'(model\.pairs\.loss_kl\.\S+=\S+)', text)


def table_rows(page):
    """The rows of a page's tables, each a list of cells."""
    lines = page.read_text(encoding='utf-8').splitlines()
    return [[x.strip() for x in line.strip('|').split('|')] for line in lines if line[:1] == '|']

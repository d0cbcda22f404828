"""Inherit every config of the installed package by name; build what a runner builds of it.

A process of its own, started in an empty folder: ``walk_inherited.py DATA``. It writes what went
wrong with each config to ``problems.json``: an error, or the registries' warnings.
"""

import gc
import json
import logging
import sys
from pathlib import Path

import ickd_mm  # first: it closes the stack's gaps  # isort: skip
import mmengine.logging
import mmengine.runner.runner
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmpretrain.datasets import CIFAR100
from quick import make_quick

from ickd_mm.preflight.model_source import student_config
from ickd_mm.registry import type_name
from ickd_mm.runtime.stack import missing_operator

CONFIGS = Path(ickd_mm.__file__).parent / '.mim/configs'
FOLDERS = dict(
    ImageNet='imagenet',
    CustomDataset='imagenet',
    CIFAR100='cifar100',
    FashionMNIST='fashionmnist',
    CocoDataset='coco',
)
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def take_short_cuts():
    """Leave out what takes time and is not looked at, and the MD5 sums of CIFAR-100."""
    make_quick()
    CIFAR100.train_list, CIFAR100.test_list = [['train', None]], [['test', None]]
    gc.collect = int  # each data set does
    mmengine.runner.runner.collect_env = dict


def small(node, data):
    """Point the data sets and metrics below a node at made-up files."""
    if isinstance(node, dict):
        if type_name(node) == 'CocoMetric':
            node['ann_file'] = str(data / 'coco/annotations/instances_val2017.json')
        if 'data_root' in node:
            node['data_root'] = str(data / FOLDERS.get(type_name(node), 'voc'))
        for key in node:
            small(node[key], data)
    elif isinstance(node, (list, tuple)):
        for value in node:
            small(value, data)
    return node


def keep_warnings():
    """Collect what is logged as a warning; a registry that lacks something only says so."""
    said, log = [], mmengine.logging.print_log

    def print_log(message, logger=None, level=logging.INFO):
        if level >= logging.WARNING and 'registry' in str(message):
            said.append(str(message))
        log(message, logger, level)

    mmengine.logging.print_log = print_log  # the registries import it when they need it
    return said


def validates(model):
    """Tell whether a model (its config) can predict here: many detectors suppress boxes by mmcv."""
    return 'nms' not in str(model.get('test_cfg')) or not missing_operator('batched_nms')


def build_parts(cfg):
    """Build what a runner builds, and let every loader give a batch."""
    runner = Runner.from_cfg(cfg)
    type(runner.visualizer)._instance_dict.clear()  # the next config builds its own
    parts = [runner.build_train_loop(cfg.train_cfg)]
    runner._train_loop = parts[0]
    runner.optim_wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)
    assert runner.build_param_scheduler(cfg.param_scheduler)
    if validates(cfg.model):
        parts += [runner.build_val_loop(cfg.val_cfg), runner.build_test_loop(cfg.test_cfg)]
    assert all(loop.evaluator.metrics for loop in parts[1:])
    for loop in parts:
        assert next(iter(loop.dataloader))['inputs']


def problem_of(name, data, said, tried):
    """Inherit a config and try it, unless one that holds the same for a runner was."""
    said.clear()
    heir = Path(name.replace('/', '-'))
    heir.write_text(f"_base_ = 'ickd_mm::{name}'\n")
    try:
        cfg = Config.fromfile(heir)
        cfg.model = student_config(cfg.model)
        cfg.work_dir, cfg.log_level = 'work_dirs', 'WARNING'
        for loader in LOADERS:
            small(cfg[loader], data)
            small(cfg.get(loader.replace('dataloader', 'evaluator')), data)
            cfg[loader].update(batch_size=2, num_workers=0, persistent_workers=False)
        parts = cfg.pretty_text
        if parts not in tried:
            build_parts(cfg)
            tried.add(parts)
    except Exception as error:
        return f'{type(error).__name__}: {error}'
    return '\n'.join(said)


def main():
    """Walk."""
    take_short_cuts()
    said = keep_warnings()
    for layer in (torch.nn.Conv2d, torch.nn.Linear):  # weights are not looked at
        layer.reset_parameters = lambda self: None
    Runner.wrap_model = lambda self, wrapper, model: model
    files = (file.relative_to(CONFIGS) for file in CONFIGS.rglob('*.py'))
    names = sorted(file.as_posix() for file in files if '_base_' not in file.parts)
    data, tried = Path(sys.argv[1]), set()
    problems = {name: problem_of(name, data, said, tried) for name in names}
    Path('problems.json').write_text(json.dumps(problems))


if __name__ == '__main__':
    main()

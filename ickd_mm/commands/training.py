"""``tools/train.py``: check a config, then train it."""

from __future__ import annotations

import argparse

from mmengine.config import Config

from ..checkpoint.resuming import choose_resume
from ..preflight.config_keys import check_keys, distiller_parameters, runner_class
from ..preflight.data import check_data, check_teacher, leave_out_absent_parts
from ..preflight.image_size import fill_input_size
from ..registry import is_distiller, type_name
from .arguments import end_processes, load_config

LOADERS = ('train_dataloader', 'val_dataloader')


def use_amp(cfg: Config) -> None:
    """Turn the optimizer wrapper into its mixed-precision form.

    Raises:
        ValueError: if the config has an optimizer wrapper of another type.
    """
    kind = type_name(cfg.optim_wrapper) if 'type' in cfg.optim_wrapper else 'OptimWrapper'
    if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise ValueError(f"--amp needs optim_wrapper.type='OptimWrapper', the config has {kind!r}")
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def prepare_training(args: argparse.Namespace) -> Config:
    """Read and check the config that the command line names; return it ready to run."""
    cfg = load_config(args)
    check_keys(cfg)
    runner_class(cfg)
    if is_distiller(cfg.get('model')) and 'input_size' in distiller_parameters(cfg.model):
        fill_input_size(cfg)
    leave_out_absent_parts(cfg, LOADERS)
    check_data(cfg, LOADERS)
    check_teacher(cfg)
    if args.amp:
        use_amp(cfg)
    if args.resume:
        choose_resume(cfg, None if args.resume == 'auto' else args.resume)
    elif cfg.get('resume'):
        choose_resume(cfg, cfg.get('load_from'))
    return cfg


def train(args: argparse.Namespace) -> None:
    """Train the config that the command line names."""
    cfg = prepare_training(args)
    runner_class(cfg).from_cfg(cfg).train()
    end_processes()

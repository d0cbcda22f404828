"""Train any mmseg or mmpretrain config, distilled or not."""

from __future__ import annotations

import argparse

from mmengine.config import Config
from mmengine.runner import Runner

import ickd_mm  # noqa: F401  (closes the stack's gaps)
from ickd_mm.checkpoint.resuming import choose_resume
from ickd_mm.cli import add_config_arguments, end_processes, load_config
from ickd_mm.config_checks import check_keys
from ickd_mm.distillers.image_size import fill_input_size
from ickd_mm.registry import type_name
from ickd_mm.run_checks import check_data, check_teacher


def use_amp(cfg: Config) -> None:
    """Turn the optimizer wrapper into its mixed-precision form."""
    kind = type_name(cfg.optim_wrapper) if 'type' in cfg.optim_wrapper else 'OptimWrapper'
    if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise ValueError(f"--amp needs optim_wrapper.type='OptimWrapper', the config has {kind!r}")
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def prepare(words: list[str] | None = None) -> Config:
    """Read a command line (default: this process's) and return a config ready to run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from a checkpoint, or from the newest whole one in the work folder',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision')
    add_config_arguments(parser)
    args = parser.parse_args(words)
    cfg = load_config(args)
    check_keys(cfg)
    fill_input_size(cfg)
    check_data(cfg, ('train_dataloader', 'val_dataloader'))
    check_teacher(cfg)
    if args.amp:
        use_amp(cfg)
    if args.resume:
        choose_resume(cfg, None if args.resume == 'auto' else args.resume)
    elif cfg.get('resume'):
        choose_resume(cfg, cfg.get('load_from'))
    return cfg


def main() -> None:
    """Train."""
    Runner.from_cfg(prepare()).train()
    end_processes()


if __name__ == '__main__':
    main()

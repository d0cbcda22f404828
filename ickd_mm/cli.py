"""What the command-line tools share: arguments, and a config made ready to run."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

from .checkpoint import install_reader
from .compat import start_processes_on_cpus
from .hooks import attach_to_runners

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that every tool which runs a config takes."""
    parser.add_argument('--work-dir', help='folder for logs and checkpoints')
    parser.add_argument('--data-root', help='data folder for every loader')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='values to change in the config, e.g. model.pairs.loss_icc.loss.grid=8',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)


def load_config(args: argparse.Namespace) -> Config:
    """Read the config file, lay the command line's values over it, prepare this process.

    From here on checkpoints are read safely and written as student checkpoints.

    The work folder is ``--work-dir``, else the config's, else ``work_dirs/<config name>``.

    Raises:
        FileNotFoundError: if the config file or a data folder that it names does not exist.
    """
    attach_to_runners()
    install_reader()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if not Path(args.config).is_file():
        raise FileNotFoundError(f'config {args.config!r} does not exist')
    cfg = Config.fromfile(args.config)
    cfg.launcher = args.launcher
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    if args.data_root is not None:
        for loader in LOADERS:
            for node, _ in list(_data_roots(cfg.get(loader), loader)):
                node['data_root'] = args.data_root
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = os.path.join('work_dirs', Path(args.config).stem)
    start_processes_on_cpus(cfg)
    return cfg


def _data_roots(node: Any, path: str) -> Iterator[tuple[dict, str]]:
    """Yield (dict, its config key) for every ``data_root`` below a config node."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == 'data_root' and isinstance(value, str) and value:
                yield node, f'{path}.{key}'
            else:
                yield from _data_roots(value, f'{path}.{key}')
    elif isinstance(node, (list, tuple)):
        for number, value in enumerate(node):
            yield from _data_roots(value, f'{path}[{number}]')


def check_data(cfg: Config, loaders: tuple[str, ...]) -> None:
    """Make sure that the data folders of the named dataloaders exist.

    Raises:
        FileNotFoundError: naming the config key, the folder and, where the config says it in
            ``how_to_get_data``, what makes it.
    """
    for loader in loaders:
        for node, key in _data_roots(cfg.get(loader), loader):
            folder = node['data_root']
            if not Path(folder).is_dir():
                remedy = cfg.get('how_to_get_data', f'put the data there or change {key}')
                raise FileNotFoundError(
                    f'{key} = {folder!r} is no folder (looked in {os.getcwd()}); {remedy}'
                )

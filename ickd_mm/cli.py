"""What the command-line tools share: arguments, and a config made ready to run."""

from __future__ import annotations

import argparse
import inspect
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, DictAction
from mmengine.logging import print_log
from mmengine.registry import DATASETS

from .checking import check_options, check_text
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
        FileNotFoundError: if the config file does not exist.
        KeyError: for a key that is there twice, or that nothing would read.
    """
    attach_to_runners()
    install_reader()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if not Path(args.config).is_file():
        raise FileNotFoundError(f'config {args.config!r} does not exist')
    check_text(Path(args.config))
    cfg = Config.fromfile(args.config)
    cfg.launcher = args.launcher
    if args.cfg_options is not None:
        check_options(cfg, args.cfg_options)
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


def end_processes() -> None:
    """Leave the process group together, where there is one; gloo may abort on a lone exit."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


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


def _fetches_itself(dataset: dict, scope: str | None) -> bool:
    """Tell whether a data set lies elsewhere or downloads itself (mmpretrain's CIFAR does)."""
    if '://' in dataset['data_root']:
        return True
    kind = dataset.get('type')
    if isinstance(kind, str):
        kind = DATASETS.get(f'{scope}.{kind}' if scope and '.' not in kind else kind)
    has_download = kind is not None and 'download' in inspect.signature(kind).parameters
    return has_download and dataset.get('download', True)


def check_data(cfg: Config, loaders: tuple[str, ...]) -> None:
    """Make sure that the data of the named dataloaders are there.

    A part of a concatenated training set whose list file is missing (a VOC folder without SBD)
    is left out with a warning, as long as another part is there.

    Raises:
        FileNotFoundError: if a folder is missing, naming the config key, the folder and what
            the config says in ``how_to_get_data``.
        ValueError: if a list file is empty.
    """
    for loader in loaders:
        for node, key in _data_roots(cfg.get(loader), loader):
            folder = node['data_root']
            if not Path(folder).is_dir() and not _fetches_itself(node, cfg.get('default_scope')):
                remedy = cfg.get('how_to_get_data', f'put the data there or change {key}')
                raise FileNotFoundError(
                    f'{key} = {folder!r} is no folder (looked in {os.getcwd()}); {remedy}'
                )
            _check_list(node, key)
        dataset = cfg.get(loader, {}).get('dataset', {})
        if dataset.get('type') == 'ConcatDataset':
            _drop_absent_parts(dataset, cfg.get('how_to_get_data', ''))


def _check_list(dataset: dict, key: str) -> None:
    file = Path(dataset['data_root'], dataset.get('ann_file') or '')
    if file.is_file() and file.stat().st_size < 100 and not file.read_bytes().strip():
        key = key.replace('data_root', 'ann_file')
        raise ValueError(f'{key}: {str(file)!r} lists no sample')


def _drop_absent_parts(dataset: dict, remedy: str) -> None:
    def there(part: dict) -> bool:
        file = part.get('ann_file')
        return (
            not file
            or '://' in part.get('data_root', '')
            or Path(part.get('data_root', ''), file).is_file()
        )

    present = [part for part in dataset['datasets'] if there(part)]
    if present and len(present) < len(dataset['datasets']):
        absent = [part['ann_file'] for part in dataset['datasets'] if not there(part)]
        print_log(
            f'No {", ".join(absent)}: trains without that part of the data. {remedy}',
            'current',
            logging.WARNING,
        )
        dataset['datasets'] = present

"""What the command-line tools share: arguments, and a config made ready to run."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, DictAction

from ..preflight.config_keys import check_text
from ..preflight.data import set_data_root
from ..preflight.options import check_options
from ..runtime import setup
from ..runtime.stack import start_processes_on_cpus


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
    """Prepare this process, read the config file, and apply the command line's values to it.

    The work folder is ``--work-dir``, else the config's, else ``work_dirs/<config name>``.

    Raises:
        FileNotFoundError: if the config file does not exist.
        KeyError: for a key that appears twice, or that nothing would read.
    """
    setup()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if not Path(args.config).is_file():
        raise FileNotFoundError(f'config {args.config!r} does not exist')
    check_text(Path(args.config))
    cfg = Config.fromfile(args.config)
    cfg.launcher = args.launcher
    if args.cfg_options is not None:
        check_options(cfg, args.cfg_options)
        check_places_in_lists(cfg, args.cfg_options)
        cfg.merge_from_dict(args.cfg_options)
    if args.data_root is not None:
        set_data_root(cfg, args.data_root)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = os.path.join('work_dirs', Path(args.config).stem)
    start_processes_on_cpus(cfg)
    return cfg


def check_places_in_lists(cfg: Config, options: Iterable[str]) -> None:
    """Make sure that a number in a dotted key counts in a list that the config has.

    mmengine would make a dict with the key '0' of it.

    Raises:
        KeyError: for ``custom_hooks.0.type`` where the config has no ``custom_hooks``.
    """
    for option in options:
        node: Any = cfg
        parts = option.split('.')
        for place, part in enumerate(parts):
            path = '.'.join(parts[:place])
            if part.isdigit() and not isinstance(node, (list, tuple)):
                got = 'has none' if node is None else f'has {node!r}'
                raise KeyError(
                    f'--cfg-options {option}: {path} must be a list to count in, the config {got}; '
                    f'write {path} = [dict(...)] in a config file that inherits this one'
                )
            if part.isdigit():
                node = node[int(part)] if int(part) < len(node) else None
            else:
                node = node.get(part) if isinstance(node, (Config, dict)) else None


def end_processes() -> None:
    """End the processes of a run together, where there are several.

    With gloo a process ends at once when all have come here: its threads may abort (SIGABRT) while
    they close connections that another process is closing too, which makes a finished run look
    like a failed one.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return
    torch.distributed.barrier()
    if torch.distributed.get_backend() == 'gloo':
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    torch.distributed.destroy_process_group()

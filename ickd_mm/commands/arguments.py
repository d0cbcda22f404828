"""What the command-line tools share: arguments, and a config made ready to run."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

import torch
from mmengine.config import Config, DictAction

from ..preflight.config_keys import check_text
from ..preflight.data import set_data_root
from ..preflight.options import check_options
from ..runtime import setup
from ..runtime.stack import end_with_agent, start_processes_on_cpus


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
    end_with_agent()
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
        set_data_root(cfg, args.data_root)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = os.path.join('work_dirs', Path(args.config).stem)
    start_processes_on_cpus(cfg)
    return cfg


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

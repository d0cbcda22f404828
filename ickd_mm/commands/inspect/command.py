"""``tools/inspect_model.py``: read a config, look at its models, print the tables."""

from __future__ import annotations

import argparse
import logging
import warnings
from dataclasses import asdict

import mmengine
from mmengine.logging import MMLogger
from rich.console import Console

from ...preflight.model_source import read_config
from .inspect_config import inspect_config
from .strengths import measure_strengths, strength_table
from .tables import as_json, cost_table, modules_table, pair_table, select


def inspect(args: argparse.Namespace) -> None:
    """Inspect the config that the command line names; print it, and write JSON if wanted.

    Raises:
        FileNotFoundError, KeyError, RuntimeError, TypeError, ValueError: as training would.
    """
    depth = args.depth or (None if args.filter else 2)
    MMLogger.get_current_instance().setLevel(logging.ERROR)
    warnings.simplefilter('ignore')  # mmcv-lite and mmseg warn about parts not used here
    cfg = read_config(args.config, 'config')
    cfg.merge_from_dict(args.cfg_options or {})
    console = Console()
    if args.weights:
        strengths = measure_strengths(cfg, args.checkpoint)
        console.print(strength_table(strengths))
        if args.json is not None:
            figures = dict(config=args.config, **asdict(strengths))
            mmengine.dump(figures, args.json, file_format='json', indent=1)
        return
    found = inspect_config(cfg, tuple(args.shape) if args.shape else None)
    for role, report in found.models.items():
        console.print(modules_table(role, report, select(report.outputs, depth, args.filter)))
    for match in found.matches:
        console.print(pair_table(match))
    console.print(cost_table(found))
    where = 'The size of the images is from'
    console.print(f'{where} {found.size_source}.', markup=False, highlight=False)
    if found.weights:
        console.print(f'The teacher: {found.weights}.', markup=False, highlight=False)
    if args.json is not None:
        figures = as_json(args.config, found, depth, args.filter)
        mmengine.dump(figures, args.json, file_format='json', indent=1)

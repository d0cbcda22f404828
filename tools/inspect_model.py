"""Print what can be tapped in a config's models; for a distiller, its pairs side by side."""

from __future__ import annotations

import argparse
import json
import logging
import warnings
from pathlib import Path

from mmengine.config import DictAction
from mmengine.logging import MMLogger
from rich.console import Console

import ickd_mm  # noqa: F401  (closes the stack's gaps)
from ickd_mm.distillers.sources import read_config
from ickd_mm.inspection.inspect import inspect_config
from ickd_mm.inspection.tables import as_json, cost_table, modules_table, pair_table, select


def main() -> None:
    """Parse the command line, look, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file or package::path, distilled or not')
    parser.add_argument('--shape', nargs=2, type=int, metavar=('H', 'W'), help='image size')
    parser.add_argument('--depth', type=int, help='names in a path at most [2; all with --filter]')
    parser.add_argument('--filter', metavar='TEXT', help='only paths that contain TEXT')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write it there as well')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE')
    args = parser.parse_args()
    if args.shape is not None and min(args.shape) < 1:
        parser.error(f'--shape takes two positive numbers, got {args.shape}')
    if args.depth is not None and args.depth < 1:
        parser.error(f'--depth must be at least 1, got {args.depth}')
    depth = args.depth or (None if args.filter else 2)
    MMLogger.get_current_instance().setLevel(logging.ERROR)
    warnings.simplefilter('ignore')  # mmcv-lite and mmseg speak of parts not used here
    try:
        cfg = read_config(args.config, 'config')
        cfg.merge_from_dict(args.cfg_options or {})
        found = inspect_config(cfg, tuple(args.shape) if args.shape else None)
    except (FileNotFoundError, KeyError, RuntimeError, TypeError, ValueError) as error:
        parser.error(str(error.args[0] if isinstance(error, KeyError) else error))

    console = Console()
    for role, seen in found.models.items():
        console.print(modules_table(role, seen, select(seen.outputs, depth, args.filter)))
    for match in found.matches:
        console.print(pair_table(match))
    console.print(cost_table(found))
    if found.weights:
        console.print(f'The teacher: {found.weights}.', markup=False, highlight=False)
    if args.json is not None:
        text = json.dumps(as_json(args.config, found, depth, args.filter), indent=1)
        args.json.write_text(text + '\n')


if __name__ == '__main__':
    main()

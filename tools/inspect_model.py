"""Print what can be tapped in a config's models; for a distiller, its pairs side by side."""

import argparse
from pathlib import Path

from mmengine.config import DictAction

from ickd_mm.commands.inspect.command import inspect

WEIGHTS = """for each pair, how hard it pulls at its tap compared with the task's own loss,
on one training batch, and the weights that would give other ratios; loads the teacher"""

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file or package::path, distilled or not')
    parser.add_argument('--shape', nargs=2, type=int, metavar=('H', 'W'), help='image size')
    parser.add_argument(
        '--depth', type=int, help='how many names a path may have [2; all with --filter]'
    )
    parser.add_argument('--filter', metavar='TEXT', help='only paths that contain TEXT')
    parser.add_argument(
        '--json', type=Path, metavar='FILE', help='also write everything to this file'
    )
    parser.add_argument('--weights', action='store_true', help=WEIGHTS)
    parser.add_argument(
        '--checkpoint', metavar='FILE', help='with --weights: the student to look at'
    )
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE')
    args = parser.parse_args()
    if args.shape is not None and min(args.shape) < 1:
        parser.error(f'--shape takes two positive numbers, got {args.shape}')
    if args.depth is not None and args.depth < 1:
        parser.error(f'--depth must be at least 1, got {args.depth}')
    if args.checkpoint and not args.weights:
        parser.error('--checkpoint is for --weights')
    try:
        inspect(args)
    except (FileNotFoundError, KeyError, RuntimeError, TypeError, ValueError) as error:
        parser.error(str(error.args[0] if isinstance(error, KeyError) else error))

"""Train a student alone and distilled on the offline digits, and show the result."""

import argparse
import sys

from ickd_mm.commands.demo.command import run_demo

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seed', type=int, default=0, help='seed of every training [%(default)s]')
    parser.add_argument(
        '--full',
        action='store_true',
        help='train the teacher too, instead of using the shipped one',
    )
    args = parser.parse_args()
    try:
        run_demo(args.seed, args.full)
    except RuntimeError as error:
        sys.exit(f'{parser.prog}: error: {error}')

"""Train any config of mmseg, mmpretrain or mmdet, distilled or not."""

from __future__ import annotations

import argparse

from ickd_mm.commands.arguments import add_config_arguments
from ickd_mm.commands.training import train


def parse_arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Read a command line, by default this process's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='resume from a checkpoint, or from the newest whole one in the work folder',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision')
    add_config_arguments(parser)
    return parser.parse_args(words)


if __name__ == '__main__':
    train(parse_arguments())

"""Score the student of a config on its test set; with --teacher, the teacher instead."""

from __future__ import annotations

import argparse

from ickd_mm.commands.arguments import add_config_arguments
from ickd_mm.commands.testing import test


def parse_arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Read a command line, by default this process's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', nargs='?', help='student checkpoint')
    parser.add_argument(
        '--teacher',
        action='store_true',
        help="score the config's teacher instead (model.teacher_ckpt; CHECKPOINT is not read)",
    )
    parser.add_argument('--tta', action='store_true', help='test-time augmentation')
    parser.add_argument('--out', help='folder for the predicted label maps')
    parser.add_argument('--show-dir', help='folder for painted predictions')
    add_config_arguments(parser)
    args = parser.parse_args(words)
    if not args.teacher and args.checkpoint is None:
        parser.error('name the checkpoint to test, or --teacher')
    return args


if __name__ == '__main__':
    test(parse_arguments())

"""Draw which channels agree, in the teacher and in the student, before and after distillation."""

import argparse
from pathlib import Path

from mmengine.config import DictAction

from ickd_mm.commands.visualize.command import visualize

CHECKPOINTS = """students to draw beside the teacher and the untrained student: checkpoints of this
config's runs, or of the student alone"""
IMAGES = 'image files, or numbers of samples of the validation set [0 1 2 3]'
CENTER = "compare covariances, or with --no-center products; default: as the pair's loss does"

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file or package::path of a distilled run')
    parser.add_argument('checkpoints', nargs='*', metavar='CHECKPOINT', help=CHECKPOINTS)
    parser.add_argument('--images', nargs='+', default=['0', '1', '2', '3'], help=IMAGES)
    parser.add_argument('--pair', help='name of one pair; default: all')
    parser.add_argument('--center', action=argparse.BooleanOptionalAction, help=CENTER)
    parser.add_argument('--names', nargs='+', help='names of the checkpoints in the picture')
    parser.add_argument('--out', type=Path, help='folder [work_dirs/CONFIG/correlations]')
    parser.add_argument('--device', default='cpu', help='cpu or cuda[:n] [%(default)s]')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE')
    args = parser.parse_args()
    try:
        visualize(args)
    except (FileNotFoundError, ImportError, KeyError, RuntimeError, TypeError, ValueError) as error:
        parser.error(str(error.args[0] if isinstance(error, KeyError) else error))

"""Train several configs over several seeds; print one table, draw one plot."""

import sys
from argparse import ArgumentParser
from pathlib import Path

from ickd_mm.commands.compare.course import compare, plan
from ickd_mm.commands.compare.run import NoScore

VARY = """run every config with each value, e.g. optim_wrapper.optimizer.lr=0.01,0.03;
K1,K2=V1:W1,V2:W2 changes two together"""
TAKEN = 'seconds per step, one number per config, for the time axis; default: what the runs took'
TIMED = 'measure them at the end: 3 x 60 steps of each line, interleaved, alone on the machine'
SHARE = """keep the teacher's features in WORK_DIR/features: for one seed all methods see the same
batches, so the teacher runs once for all that need the same of its layers. Scores do not change.
Needs disk for the features of all iterations of each seed (delete the folder at the end), and
--time-steps or --step-seconds for honest times"""
SCORE = 'score to compare, as mmengine logs it, higher is better; default: mIoU or accuracy/top1'

if __name__ == '__main__':
    parser = ArgumentParser(description=__doc__)
    parser.add_argument('configs', nargs='+', metavar='CONFIG')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--vary', action='append', default=[], metavar='KEY=V1,V2', help=VARY)
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time [%(default)s]')
    clock = parser.add_mutually_exclusive_group()
    clock.add_argument('--step-seconds', nargs='+', type=float, default=[], help=TAKEN)
    clock.add_argument('--time-steps', action='store_true', help=TIMED)
    parser.add_argument('--share-teacher', action='store_true', help=SHARE)
    parser.add_argument('--metric', help=SCORE)
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/compare'))
    args = parser.parse_args()
    try:
        runs = plan(args)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    try:
        sys.exit(compare(args, runs))
    except (BlockingIOError, NoScore) as error:
        sys.exit(f'{parser.prog}: error: {error}')

"""The arguments of ``tools/compare.py``."""

from __future__ import annotations

import argparse
from pathlib import Path

VARY = """run every config with each value, e.g. optim_wrapper.optimizer.lr=0.01,0.03;
K1,K2=V1:W1,V2:W2 changes two together"""
STEP_SECONDS = (
    'seconds per step, one number per config, for the time axis; default: as the runs took'
)
TIME_STEPS = """measure them instead: at the end, three times 60 steps of each line in turn, alone
on the machine"""
SHARE = """keep what the teacher gives in WORK_DIR/features: the methods see the same batches over
one seed, so it runs once for all with the same taps. Scores do not change; needs iterations x
batch of features on the disk for each seed (delete the folder at the end), and --time-steps or
--step-seconds for honest times"""
METRIC = """the score that counts, as mmengine logs it, the higher the better, e.g. mDice;
default: mIoU or accuracy/top1"""


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    add('configs', nargs='+', metavar='CONFIG')
    add('--seeds', nargs='+', type=int, default=[0, 1, 2])
    add('--vary', action='append', default=[], metavar='KEY=V1,V2', help=VARY)
    add('--jobs', type=int, default=1, help='runs at a time [%(default)s]')
    clock = parser.add_mutually_exclusive_group().add_argument
    clock('--step-seconds', nargs='+', type=float, default=[], help=STEP_SECONDS)
    clock('--time-steps', action='store_true', help=TIME_STEPS)
    add('--share-teacher', action='store_true', help=SHARE)
    add('--metric', help=METRIC)
    add('--work-dir', type=Path, default=Path('work_dirs/compare'))
    return parser

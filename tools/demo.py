"""Train teacher, student and distilled student on the offline digits, and show the result."""

import argparse

from ickd_mm.commands.demo.command import run_demo

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seed', type=int, default=0, help='of all three runs [%(default)s]')
    run_demo(parser.parse_args().seed)

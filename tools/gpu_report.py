"""Run the tests marked gpu and the benchmarks on a CUDA GPU; write one table."""

import argparse
import sys

from ickd_mm.commands.gpu_report import add_arguments, gpu_report

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    sys.exit(gpu_report(parser.parse_args()))

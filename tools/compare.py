"""Train several configs over several seeds; print one table, draw one plot."""

import sys

from ickd_mm.commands.compare.arguments import make_parser
from ickd_mm.commands.compare.course import compare, plan
from ickd_mm.commands.compare.run import NoScore


def main() -> None:
    """Parse the command line, run what is missing, report."""
    parser = make_parser(__doc__)
    args = parser.parse_args()
    try:
        runs = plan(args)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    try:
        failures = compare(args, runs)
    except (BlockingIOError, NoScore) as error:
        sys.exit(f'{parser.prog}: error: {error}')
    if failures:
        sys.exit('\n\n'.join([f'{len(failures)} failed, the next call tries again:', *failures]))


if __name__ == '__main__':
    main()

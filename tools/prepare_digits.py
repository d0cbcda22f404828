"""Make the offline digits data set (no download)."""

import argparse
from functools import partial

from rich.progress import track

from ickd_mm.commands.demo.dataset import prepare_digits

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--root', default='data/digits', help='folder to make [%(default)s]')
    parser.add_argument('--train', type=int, default=500, help='training scenes [%(default)s]')
    parser.add_argument('--val', type=int, default=250, help='validation scenes [%(default)s]')
    parser.add_argument(
        '--unlabelled', type=int, default=0, help='more scenes, without masks [%(default)s]'
    )
    parser.add_argument('--seed', type=int, default=0, help='decides every pixel [%(default)s]')
    args = parser.parse_args()
    try:
        progress = partial(track, description=f'Making {args.root}')
        made = prepare_digits(args.root, args.train, args.val, args.seed, progress, args.unlabelled)
    except (ValueError, FileExistsError) as error:
        parser.error(str(error))
    print(f'{args.root}: {"made" if made else "already complete"}')

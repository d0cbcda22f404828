"""Turn a public teacher of the CIFAR field (RepDistiller's format) into one of ours."""

import argparse
from pathlib import Path

import torch

from ickd_mm.checkpoint import read_checkpoint
from ickd_mm.checkpoint.repdistiller import PARAMETERS, convert

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'checkpoint', metavar='IN', help='e.g. resnet32x4_vanilla/ckpt_epoch_240.pth'
    )
    parser.add_argument('out', metavar='OUT', help='e.g. checkpoints/resnet32x4.pth')
    parser.add_argument(
        '--arch',
        choices=PARAMETERS,
        metavar='NAME',
        help='refuse any network but this one; default: accept any. '
        f'One of {", ".join(PARAMETERS)}',
    )
    args = parser.parse_args()
    out = Path(args.out)
    try:
        if out.exists() and out.samefile(args.checkpoint):
            raise ValueError('OUT must be another file than IN')
        name, state = convert(read_checkpoint(args.checkpoint), args.arch)
    except (OSError, ValueError) as error:
        parser.error(f'{args.checkpoint}: {error}')
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({'meta': {'arch': name}, 'state_dict': state}, out)
    print(f'{out}: {name}, {PARAMETERS[name]:,} parameters with 100 classes, {len(state)} tensors')

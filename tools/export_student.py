"""Write the student's weights alone; they load strictly into the plain student."""

import argparse
from pathlib import Path

import ickd_mm  # noqa: F401  (applies the compatibility patches)
from ickd_mm.checkpoint.export import export_student

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('checkpoint', help='checkpoint of a run')
    parser.add_argument('out', help='file to write, .pth or .safetensors')
    parser.add_argument('--half', action='store_true', help='store fp16: half the size')
    parser.add_argument(
        '--config', action='store_true', help="write the student's own config beside OUT, as .py"
    )
    args = parser.parse_args()
    try:
        files = Path(args.checkpoint), Path(args.out)
        tensors, size = export_student(*files, args.half, args.config)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    print(f'{args.out}: {tensors} tensors, {size / 1e6:.2f} MB')

"""Two ranks of a node read one teacher's file: what comes from the disk, and what they share.

    PYTHONPATH=tests python -m support.read_once

Linux alone. The file is 128 MiB, as .safetensors and as .pth, and leaves the page cache before.
"""

import os
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

from ickd_mm.checkpoint.reading import read_checkpoint


def from_disk():
    return int(Path('/proc/self/io').read_text().split('\nread_bytes: ')[1].split()[0]) / 2**20


def mapped(path):
    """MiB of a file that this process has mapped, and its share where others have them too."""
    inside, found = False, {'Rss:': 0, 'Pss:': 0}
    for line in Path('/proc/self/smaps').read_text().splitlines():
        first, *rest = line.split()
        if not first.endswith(':'):
            inside = line.endswith(path)
        elif inside and first in found:
            found[first] += int(rest[0]) / 1024
    return found['Rss:'], found['Pss:']


def rank(number, path):
    before = from_disk()
    state = read_checkpoint(path)['state_dict']
    assert sum(x.sum().item() for x in state.values()) > 0
    read = from_disk() - before
    time.sleep(4 - 2 * number)
    size, share = mapped(path)
    print(
        f'{Path(path).suffix}, rank {number}: {read:.0f} MiB from the disk, {size:.0f} MiB mapped, '
        f'counted by share {share:.0f} MiB',
        flush=True,
    )
    time.sleep(2)
    os._exit(0)


def main():
    weights = {f'w{n}': torch.rand(1 << 22) for n in range(8)}
    with tempfile.TemporaryDirectory(dir='.') as folder:
        paths = [
            str(Path(folder, f'teacher{suffix}').resolve()) for suffix in ('.safetensors', '.pth')
        ]
        save_file(weights, paths[0])
        torch.save({'state_dict': weights}, paths[1])
        for path in paths:
            with open(path, 'rb') as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            for number in range(2):
                if os.fork() == 0:
                    rank(number, path)
                time.sleep(2)
            os.wait()
            os.wait()


if __name__ == '__main__':
    main()

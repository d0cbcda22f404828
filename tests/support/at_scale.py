"""What a distilled step adds to the all-reduce, and what the teacher's store costs and saves.

    PYTHONPATH=tests python -m support.at_scale CONFIG --batch 2 --crop 128

Takes the arguments of ``tools/benchmark.py step``; docs/scale.md shows what it prints. Weights are
random, one process stands for many: what DDP hands over to be reduced does not depend on them.
"""

import argparse
import copy
import tempfile
from pathlib import Path

import torch
from mmengine.model import MMDistributedDataParallel, revert_sync_batchnorm

from ickd_mm.commands.benchmark.step import add_arguments, read
from ickd_mm.commands.benchmark.steps import Steps
from ickd_mm.commands.benchmark.timing import in_turns
from ickd_mm.runtime import setup
from ickd_mm.teachers.feature_store import FeatureStore

MIB = 2**20


def reduced_bytes(steps, model):
    """Bytes of gradients that one training step hands over to be summed over all processes."""
    seen = []

    def count(_, bucket):
        seen.append(bucket.buffer().nbytes)
        done = torch.futures.Future()
        done.set_result(bucket.buffer())
        return done

    model = revert_sync_batchnorm(model)  # CPUs have none; it has the same parameters
    wrapped = MMDistributedDataParallel(model, device_ids=None, broadcast_buffers=False)
    wrapped.register_comm_hook(None, count)
    wrapped.train_step(copy.deepcopy(steps.batch), steps.wrappers[model])
    return sum(seen)


def bytes_of(module):
    return sum(t.nbytes for t in (*module.parameters(), *module.buffers()))


def store_figures(steps, budget):
    """Seconds to compute, write and read the features of a batch, and bytes on the disk."""
    teacher, images = steps.distiller.teacher, steps.inputs
    with tempfile.TemporaryDirectory() as folder:
        store = FeatureStore(folder, teacher.taps, 'at scale')
        store.identify(teacher.model)
        features = teacher(images)

        def write():
            for file in Path(folder).iterdir():
                file.unlink()
            store(images, lambda _: features)

        calls = dict(
            compute=lambda: teacher(images), write=write, read=lambda: store(images, teacher)
        )
        taken = in_turns(calls, budget=budget)
        (file,) = Path(folder).iterdir()
        return {name: times.median for name, times in taken.items()}, file.stat().st_size


def main():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    args = parser.parse_args()
    setup()
    alone = dict(init_method='tcp://127.0.0.1:0', rank=0, world_size=1)
    torch.distributed.init_process_group('gloo', **alone)
    steps = Steps(read(args), 'cpu', torch.contiguous_format)
    alone, ours = (reduced_bytes(steps, model) for model in (steps.alone, steps.distiller))
    extra = sum(p.nbytes for p in steps.distiller.connectors.parameters())
    print(f'{Path(args.config).stem}, input {tuple(steps.inputs.shape)}')
    print(
        f'all-reduce of a step: student {alone / MIB:.2f} MiB, distilled {ours / MIB:.2f} MiB, '
        f'difference {(ours - alone) / MIB:.2f}, connectors {extra / MIB:.2f} MiB'
    )
    print(f"the teacher's tensors: {bytes_of(steps.teacher) / MIB:.1f} MiB in float32")
    seconds, size = store_figures(steps, args.budget)
    ms = ', '.join(f'{name} {taken * 1e3:.1f}' for name, taken in seconds.items())
    gain = seconds['compute'] - seconds['read']
    print(f'store, ms per batch: {ms}; {size / steps.images / 1024:.0f} KiB per image')
    if gain > 0:
        print(f'a store pays from {1 + seconds["write"] / gain:.1f} passes on')


if __name__ == '__main__':
    main()

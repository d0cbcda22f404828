"""``tools/benchmark.py estimate``: hours on GPUs, estimated from a step measured on one core.

The step is timed on this machine, in processor seconds of one thread, and taken to be as many
times faster on a GPU as the GPU's arithmetic is than this core's, which a matrix product measures
in the same run.
"""

from __future__ import annotations

import argparse
import copy
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mmengine
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.table import Column, Table
from torch.utils.flop_counter import FlopCounterMode

from ...preflight.image_size import config_image_size
from ...preflight.model_source import read_student, read_teacher
from ...registry import MODELS, is_distiller, type_name
from .batches import random_batch

EPOCH_LENGTHS = {'ImageNet': 1_281_167, 'CIFAR100': 50_000}


@dataclass(frozen=True)
class Estimate:
    """What one recipe costs.

    Attributes:
        gflops: arithmetic of a training step per image, forward and backward, in 10^9
            floating point operations (two per multiply-add); the hours do not depend on it.
        cpu_seconds: measured processor seconds of that step per image, on one core, so that
            other processes hardly count.
        images: images seen in the whole training.
        hours: images · cpu_seconds · what the core sustains / what one GPU sustains.
        hours_on_8: on eight of them, if that were eight times as fast.
    """

    config: str
    gflops: float
    cpu_seconds: float
    images: int
    hours: float
    hours_on_8: float


def _convolution_backward(
    grad: torch.Size, x: torch.Size, weight: torch.Size, *settings: Any, **kwargs: Any
) -> int:
    """Count the gradients of a convolution; torch's own count takes grouped ones for dense."""
    transposed, wanted = settings[4], settings[-1]
    forward = 2 * math.prod(weight[1:]) * math.prod(x if transposed else grad)
    return forward * sum(wanted[:2])


def without_weights(cfg: Config, folder: str) -> ConfigDict:
    """Return the model's config with random teacher weights, written to ``folder``.

    Nothing is downloaded.
    """
    init_default_scope(cfg.get('default_scope') or 'mmengine')
    student = read_student(cfg.model, cfg.get('data_preprocessor'))
    if not is_distiller(cfg.model):
        return student.cfg
    model = copy.deepcopy(cfg.model)
    model.student, model.teacher_ckpt = student.cfg, str(Path(folder, 'teacher.pth'))
    teacher = read_teacher(model, student).build('teacher')
    torch.save(dict(state_dict=teacher.state_dict()), model.teacher_ckpt)
    return model


def training_images(cfg: Config) -> int:
    """Count the images that a whole training sees.

    Raises:
        ValueError: for a training by epochs on data whose length is not known.
    """
    if 'max_iters' in cfg.train_cfg:
        return cfg.train_cfg.max_iters * cfg.train_dataloader.batch_size
    kind = type_name(cfg.train_dataloader.dataset)
    if kind not in EPOCH_LENGTHS:
        known = ', '.join(EPOCH_LENGTHS)
        raise ValueError(f'the length of {kind!r} is not known, only that of {known}')
    return cfg.train_cfg.max_epochs * EPOCH_LENGTHS[kind]


def _cpu_seconds(call: Callable[[], Any], rounds: int) -> float:
    """Return the processor seconds of the fastest round."""
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return min(taken)


def core_speed(rounds: int = 6) -> float:
    """Return how many operations one processor second does at best, by a float32 product."""
    side = 1024
    a, out = torch.randn(side, side), torch.empty(side, side)
    return 2 * side**3 / _cpu_seconds(lambda: torch.mm(a, a, out=out), rounds)


def estimate(file: str, images: int, speedup: float, rounds: int = 2) -> Estimate:
    """Count one training step of a config on random images of its own size, and time some.

    Args:
        file: the config.
        images: batch size; batch norm after global pooling needs two.
        speedup: how many times as fast one GPU is taken to be.
        rounds: timed steps; the fastest one counts.
    """
    cfg = Config.fromfile(file)
    with tempfile.TemporaryDirectory() as folder:
        built = without_weights(cfg, folder)
        if is_distiller(built):  # packed convolutions are not counted, and a GPU has none
            built.teacher_run = dict(channels_last=False)
        model = MODELS.build(built).train()
    batch = random_batch(cfg, images, config_image_size(cfg)[0])
    data = model.data_preprocessor(batch, training=True)

    def step() -> None:
        total, _ = model.parse_losses(model(**data, mode='loss'))
        total.backward()

    counts = {torch.ops.aten.convolution_backward: _convolution_backward}
    with FlopCounterMode(display=False, custom_mapping=counts) as counter:
        step()
    seconds = _cpu_seconds(step, rounds) / images
    flops, seen = counter.get_total_flops() / images, training_images(cfg)
    hours = seen * seconds / speedup / 3600
    return Estimate(Path(file).stem, flops / 1e9, seconds, seen, hours, hours / 8)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's arguments."""
    parser.add_argument('configs', nargs='+', metavar='CONFIG')
    parser.add_argument('--images', type=int, default=2, help='batch size of the counted step')
    parser.add_argument(
        '--tflops',
        type=float,
        default=10.0,
        help='TFLOP/s that the GPU is assumed to sustain [%(default)s]',
    )
    parser.add_argument('--json', metavar='FILE', help='also write the figures to this file')


def run(args: Any) -> None:
    """Estimate each config, print one table."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        speed = core_speed()
        found: list[Estimate] = []
        for file in args.configs:
            found.append(estimate(file, args.images, args.tflops * 1e12 / speed))
            if args.json:
                figures = [asdict(one) for one in found]
                mmengine.dump(figures, args.json, file_format='json', indent=2)
    finally:
        torch.set_num_threads(threads)
    headings = ('GFLOP / image', 'CPU s / image', 'hours, 1 GPU', 'hours, 8 GPUs')
    table = Table('config', *(Column(heading, justify='right') for heading in headings))
    table.title = 'Estimate, not measured on a GPU'
    table.caption = (
        f'one core, {speed / 1e9:.0f} GFLOP/s; a GPU taken to sustain '
        f'{args.tflops:g} TFLOP/s, {args.tflops * 1e12 / speed:.0f} times that'
    )
    for one in found:
        cells = (one.gflops, one.cpu_seconds, one.hours, one.hours_on_8)
        table.add_row(one.config, *(f'{cell:.3g}' for cell in cells))
    Console(width=110).print(table)

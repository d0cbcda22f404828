"""``tools/benchmark.py step``: a distilled training step against the minimum that it must cost.

The floor is the plain teacher's forward up to its last tap, without gradient, plus the whole
training step of the undistilled student. It is compared with the distiller's own step, and with
the same step where the teacher's forward runs to its end. All are interleaved in one process.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import mmengine
import torch
from mmengine.config import Config, DictAction
from rich.console import Console
from rich.table import Column, Table

from ...preflight.model_source import student_config
from ...registry import is_distiller
from .loss import machine
from .memory import peak_extra_bytes
from .steps import Steps
from .timing import Times, in_turns, once

NAMES = {
    'floor': 'floor: plain teacher to its last tap + student alone',
    'ours': 'distilled step',
    'full': 'distilled step, teacher run to its end',
}
TARGET = 0.9
"""What a distilled step may take of the floor on a GPU, in bfloat16 with channels last."""


def measure(steps: Steps, budget: float, memory: bool) -> dict[str, Any]:
    """Time the steps and their parts in interleaved rounds; return everything that is printed."""
    calls = {name: getattr(steps, name) for name in NAMES}
    times = in_turns(calls, steps.device, budget, max_rounds=1000)
    parts = in_turns(steps.parts(), steps.device, budget / 3)
    total = sum(taken.median for taken in parts.values())
    rows: dict[str, Any] = {}
    for name, call in calls.items():
        rows[name] = _row(times[name], times['floor'], steps.images)
        if memory:
            once(call, steps.device)
            rows[name]['memory_mib'] = peak_extra_bytes(call, steps.device) / 2**20
    return dict(
        images=steps.images,
        input=list(steps.inputs.shape),
        pairs=[f'{p.student.path} -> {p.teacher.path}: {p.loss}' for p in steps.distiller.pairs],
        steps=rows,
        target=TARGET,
        seconds={name: taken.median for name, taken in parts.items()},
        feature_error=steps.feature_error(),
        shares={name: taken.median / total for name, taken in parts.items()},
    )


def _row(taken: Times, floor: Times, images: int) -> dict[str, float]:
    """Return a line of the table; its ratio is the median of the ratios of the rounds."""
    ratios = Times([a / b for a, b in zip(taken.seconds, floor.seconds)])
    return dict(
        seconds=taken.median,
        spread=taken.spread,
        ratio=ratios.median,
        ratio_spread=ratios.spread,
        images_per_second=images / taken.median,
        rounds=len(taken.seconds),
    )


def table(config: str, figures: dict[str, Any], about: dict[str, Any]) -> Table:
    """Lay the figures out for the terminal."""
    headings = ('seconds', '/ floor', 'images / s', 'peak extra MiB')
    shown = Table('step', *(Column(heading, justify='right') for heading in headings))
    shown.title = f'{config}, input {"×".join(map(str, figures["input"]))}'
    shown.caption = ', '.join(f'{key} {value}' for key, value in about.items())
    for name, row in figures['steps'].items():
        shown.add_row(
            NAMES[name],
            f'{row["seconds"]:.3f} ±{row["spread"]:.0%}',
            f'{row["ratio"]:.3f} ±{row["ratio_spread"]:.0%}',
            f'{row["images_per_second"]:.2f}',
            f'{row["memory_mib"]:.0f}' if 'memory_mib' in row else '-',
        )
    return shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument('config', help="a distiller's config")
    parser.add_argument('--device', default='cpu', help='cpu (default) or cuda[:n]')
    parser.add_argument('--batch', type=int, help='images per step (default: as in the config)')
    parser.add_argument('--crop', type=int, help='side of the images (default: as in the config)')
    parser.add_argument('--amp', choices=['bfloat16', 'float16'], help='autocast')
    parser.add_argument(
        '--channels-last', action='store_true', help='for the plain models and the student too'
    )
    parser.add_argument('--threads', type=int, help='CPU threads (default: what PyTorch takes)')
    parser.add_argument('--budget', type=float, default=30.0, help='seconds of rounds, about')
    parser.add_argument('--no-memory', action='store_true', help='do not measure peak memory')
    parser.add_argument('--json', type=Path, help='also write the figures to this file')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE')


def read(args: argparse.Namespace) -> Config:
    """Load the config with what the command line changes.

    Raises:
        ValueError: if it is not a distiller's.
    """
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    if not is_distiller(cfg.model):
        raise ValueError(f'{args.config} has no teacher: its model is {cfg.model.get("type")!r}')
    if args.batch:
        cfg.train_dataloader.batch_size = args.batch
    if args.crop:
        cfg.model.input_size = (args.crop, args.crop)
        cfg.model.student = student_config(cfg.model, cfg.get('data_preprocessor'))
        if (cfg.model.student.get('data_preprocessor') or {}).get('size') is not None:
            cfg.model.student.data_preprocessor.size = (args.crop, args.crop)
    if args.amp:
        cfg.optim_wrapper.update(type='AmpOptimWrapper', dtype=args.amp)
    return cfg


def run(args: argparse.Namespace) -> None:
    """Measure one config, print the table, and write it as JSON if wanted."""
    if args.threads:
        torch.set_num_threads(args.threads)
    cfg = read(args)
    layout = torch.channels_last if args.channels_last else torch.contiguous_format
    figures = measure(Steps(cfg, args.device, layout), args.budget, not args.no_memory)
    about = machine(args.device)
    console = Console(width=None if Console().is_terminal else 130)
    console.print(table(Path(args.config).stem, figures, about))
    console.print('; '.join(figures['pairs']), highlight=False)
    ratio = figures['steps']['ours']['ratio']
    bf16 = args.device.startswith('cuda') and args.amp == 'bfloat16' and args.channels_last
    goal = f' (wanted: at most {TARGET:.2f})' if bf16 else ''
    console.print(f'distilled step / floor: {ratio:.3f}{goal}', highlight=False)
    spent = (f'{part} {share:.0%}' for part, share in figures['shares'].items())
    console.print('time goes to: ' + ', '.join(spent), highlight=False)
    console.print(
        f"teacher's features differ by {figures['feature_error']:.1e} from the plain one's"
    )
    if args.json:
        mmengine.dump({'machine': about, **figures}, args.json, file_format='json', indent=1)

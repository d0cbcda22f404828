"""``tools/benchmark.py loss``: the ICC loss against its naive form, forward and backward."""

from __future__ import annotations

import argparse
import os
import platform
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import mmengine
import torch
from rich.console import Console
from rich.table import Column, Table

from ...functional import icc_loss
from .memory import peak_extra_bytes
from .naive import naive_loss
from .timing import in_turns


class Case(NamedTuple):
    """One line of the table; the targets are the ratios that it has to reach on CPU and GPU."""

    student: tuple[int, int, int, int]
    grid: tuple[int, int]
    target: float = 0.9
    memory_target: float | None = None
    teacher: tuple[int, int, int, int] | None = None
    normalize: bool = True
    gpu_target: float = 1.0


CASES = [
    Case((64, 512, 7, 7), (1, 1), 10, gpu_target=3),
    Case((64, 256, 8, 8), (1, 1)),
    Case((64, 64, 8, 8), (1, 1)),
    Case((64, 64, 4, 4), (1, 1)),
    Case((16, 32, 16, 16), (2, 2)),
    Case((2, 128, 64, 64), (1, 1)),
    Case((2, 128, 64, 64), (4, 4)),
    Case((2, 256, 32, 32), (1, 1)),
    Case((64, 512, 4, 4), (1, 1)),
    Case((64, 160, 2, 2), (1, 1)),
    Case((2, 512, 64, 64), (1, 1), 1.2),
    Case((2, 512, 64, 64), (4, 4)),
    Case((2, 512, 64, 64), (8, 8), 3),
    Case((2, 512, 64, 64), (16, 16), 30, 1 / 20, gpu_target=10),
    Case((1, 512, 64, 64), (32, 32), 60, 1 / 20),
    Case((1, 2048, 64, 64), (1, 1), 1.2),
    Case((2, 512, 65, 65), (8, 8)),
    Case((2, 512, 64, 64), (8, 8), teacher=(2, 512, 32, 32)),
    Case((2, 512, 32, 32), (1, 1), teacher=(2, 512, 64, 64)),
    Case((64, 512, 7, 7), (1, 1), normalize=False),
    Case((64, 64, 8, 8), (1, 1), normalize=False),
    Case((2, 512, 64, 64), (1, 1), normalize=False),
    Case((2, 512, 64, 64), (16, 16), normalize=False),
]


def machine(device: str) -> dict[str, Any]:
    """Describe what the figures were measured on."""
    info = Path('/proc/cpuinfo')
    cpu = re.search('model name.*: (.*)', info.read_text() if info.exists() else '')
    on_gpu = torch.device(device).type == 'cuda'
    return {
        'device': torch.cuda.get_device_name(device) if on_gpu else 'cpu',
        'cpu': cpu[1] if cpu else platform.processor() or platform.machine(),
        'cores': os.cpu_count(),
        'threads': torch.get_num_threads(),
        'OMP_WAIT_POLICY': os.environ.get('OMP_WAIT_POLICY', 'default'),
        'load': [round(x, 1) for x in os.getloadavg()],
        'torch': torch.__version__,
        'python': platform.python_version(),
    }


def measure(case: Case, device: str, budget: float, memory: bool) -> dict[str, Any]:
    """Measure one case: times in interleaved rounds, then peak memory."""
    generator = torch.Generator().manual_seed(0)
    other = case.teacher or case.student
    student = torch.randn(case.student, generator=generator).to(device).requires_grad_()
    teacher = torch.randn(other, generator=generator).to(device)

    def step(loss: Callable[..., torch.Tensor]) -> None:
        student.grad = None
        loss(student, teacher, case.grid, case.normalize).backward()

    calls = {'naive': partial(step, naive_loss), 'ours': partial(step, icc_loss)}
    times = in_turns(calls, device, budget)
    row: dict[str, Any] = {
        'student': case.student,
        'teacher': other,
        'grid': case.grid,
        'form': 'rows' if case.normalize else 'paper',
        'rounds': len(times['ours'].seconds),
        'ratio': times['naive'].median / times['ours'].median,
        'target': case.gpu_target if torch.device(device).type == 'cuda' else case.target,
        'memory_target': case.memory_target,
        **{f'{name}_ms': 1e3 * taken.median for name, taken in times.items()},
        **{f'{name}_spread': round(taken.spread, 3) for name, taken in times.items()},
    }
    if memory:
        for name, call in calls.items():
            student.grad = None
            row[f'{name}_mib'] = peak_extra_bytes(call, device) / 2**20
        row['memory_share'] = row['ours_mib'] / row['naive_mib']
    return row


def table(rows: list[dict[str, Any]], about: dict[str, Any]) -> Table:
    """Lay the rows out for a terminal."""
    figures = ('naive ms', 'ours ms', 'ratio', 'wanted', 'naive MiB', 'ours MiB', 'share')
    right = (Column(heading, justify='right') for heading in figures)
    shown = Table('student', 'teacher', 'grid', 'form', *right)
    shown.title = 'ICC loss, forward + backward, medians of interleaved rounds'
    shown.caption = ', '.join(f'{key} {value}' for key, value in about.items())
    for row in rows:
        other = '' if row['teacher'] == row['student'] else '×'.join(map(str, row['teacher'][2:]))
        memory = ['', '', '']
        if 'memory_share' in row:
            share = f'{row["memory_share"]:.3f}'
            memory = [f'{row["naive_mib"]:.0f}', f'{row["ours_mib"]:.1f}', share]
        shown.add_row(
            '×'.join(map(str, row['student'])),
            other,
            '×'.join(map(str, row['grid'])),
            row['form'],
            f'{row["naive_ms"]:.1f} ±{row["naive_spread"]:.0%}',
            f'{row["ours_ms"]:.1f} ±{row["ours_spread"]:.0%}',
            f'{row["ratio"]:.2f}',
            f'{row["target"]:g}',
            *memory,
        )
    return shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand."""
    parser.add_argument('--device', default='cpu', help='cpu (default) or cuda[:n]')
    parser.add_argument('--json', type=Path, help='also write the figures to this file')
    parser.add_argument('--threads', type=int, help='CPU threads (default: what PyTorch takes)')
    parser.add_argument('--budget', type=float, default=5.0, help='seconds per line, about')
    parser.add_argument('--only', type=int, nargs='+', help='numbers of the lines, from 0')
    parser.add_argument('--no-memory', action='store_true', help='do not measure peak memory')


def run(args: argparse.Namespace) -> None:
    """Measure the lines asked for, print them, and write them as JSON if wanted."""
    if args.threads:
        torch.set_num_threads(args.threads)
    picked = range(len(CASES)) if args.only is None else args.only
    console = Console(width=None if Console().is_terminal else 170)
    about, rows = machine(args.device), []
    for number in picked:
        rows.append(measure(CASES[number], args.device, args.budget, not args.no_memory))
        console.print(f'{len(rows)}/{len(picked)}', style='dim', highlight=False)
    console.print(table(rows, about))
    if args.json:
        mmengine.dump({'machine': about, 'lines': rows}, args.json, file_format='json', indent=1)

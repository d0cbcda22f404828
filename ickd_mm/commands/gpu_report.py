"""``tools/gpu_report.py``: the checks and figures of one CUDA GPU in one table."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import mmengine
import torch

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 600
"""Seconds after which one part is ended."""

PSPNET = ('configs/ickd/pspnet_r101_r18_voc.py', '--batch', '4', '--crop', '512')
IMAGENET = ('configs/ickd/resnet34_resnet18_scratch_imagenet.py', '--batch', '256', '--crop', '224')
BF16 = ('--amp', 'bfloat16', '--channels-last', '--cfg-options', 'model.teacher_run.dtype=bf16')
STEPS = {
    'pspnet_fp32': PSPNET,
    'pspnet_bf16': (*PSPNET, *BF16),
    'imagenet_bf16': (*IMAGENET, *BF16),
}

Row = dict[str, Any]


def what_is_missing() -> str:
    """Return why no test or measurement can run on a CUDA GPU here; empty if they can."""
    if not torch.backends.cuda.is_built():
        return f'PyTorch {torch.__version__} is built without CUDA: install a CUDA build of it'
    if torch.cuda.is_available():
        return ''
    driver = 'is there' if shutil.which('nvidia-smi') else 'was not found'
    hidden = os.environ.get('CUDA_VISIBLE_DEVICES')
    shown = 'not set' if hidden is None else repr(hidden)
    return f'PyTorch sees no CUDA GPU (nvidia-smi {driver}, CUDA_VISIBLE_DEVICES is {shown})'


def commands(folder: Path, device: str) -> dict[str, list[str]]:
    """Return what is run, in this order, by name; each writes ``<name>.json`` or ``.xml``."""
    python = sys.executable

    def measured(name: str, command: str, *words: str) -> list[str]:
        where = ('--device', device, '--json', str(_result(folder, name)))
        return [python, 'tools/benchmark.py', command, *where, *words]

    tests = [python, '-m', 'pytest', '-m', 'gpu', 'tests', f'--junitxml={_result(folder, "tests")}']
    return {
        'tests': tests,
        'loss': measured('loss', 'loss'),
        **{name: measured(name, 'step', *words) for name, words in STEPS.items()},
    }


def run_part(words: list[str], log: Path, env: dict[str, str] | None = None) -> tuple[int, float]:
    """Run one command in the repository's root; return its exit status and seconds."""
    start = time.monotonic()
    with log.open('w') as file:
        process = subprocess.Popen(
            words, cwd=ROOT, env=env, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            status = process.wait(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            status = 124
        finally:
            if process.poll() is None:  # too slow, or Ctrl-C, which does not reach its session
                os.killpg(process.pid, signal.SIGKILL)  # with what the part has started
                process.wait()
    return status, time.monotonic() - start


def _row(check: str, setting: str, figure: str, goal: str, holds: bool) -> Row:
    return dict(check=check, setting=setting, figure=figure, goal=goal, holds=holds)


def pytest_rows(file: Path) -> list[Row]:
    """Return one row for a JUnit file of pytest."""
    suite = next(ElementTree.parse(file).getroot().iter('testsuite'))
    counts = {key: int(suite.get(key, 0)) for key in ('tests', 'failures', 'errors', 'skipped')}
    failed = counts['failures'] + counts['errors']
    passed = counts['tests'] - failed - counts['skipped']
    figure = f'{passed} passed, {failed} failed, {counts["skipped"]} skipped'
    return [_row('tests marked gpu', '', figure, 'all pass', passed > 0 and not failed)]


def loss_rows(found: dict[str, Any]) -> list[Row]:
    """Return a row for each line of ``benchmark.py loss``."""
    rows = []
    for line in found['lines']:
        student, teacher, grid = (
            '×'.join(map(str, line[k])) for k in ('student', 'teacher', 'grid')
        )
        other = '' if teacher == student else f' / {teacher}'
        setting = f'{student}{other}, grid {grid}, {line["form"]}'
        figure = f'{line["ratio"]:.2f} ({line["naive_ms"]:.2f} / {line["ours_ms"]:.2f} ms)'
        holds = line['ratio'] >= line['target']
        rows.append(_row('naive loss / ours', setting, figure, f'≥ {line["target"]:g}', holds))
    return rows


def step_rows(name: str, found: dict[str, Any]) -> list[Row]:
    """Return the row of one ``benchmark.py step``."""
    floor, ours = found['steps']['floor'], found['steps']['ours']
    setting = f'{name}, input {"×".join(map(str, found["input"]))}'
    figure = f'{ours["ratio"]:.3f} ({1e3 * ours["seconds"]:.1f} / {1e3 * floor["seconds"]:.1f} ms)'
    if 'memory_mib' in ours:
        figure += f', peak {ours["memory_mib"]:.0f} / {floor["memory_mib"]:.0f} MiB'
    if not name.endswith('bf16'):
        return [_row('distilled step / floor', setting, figure, '', True)]
    holds, goal = ours['ratio'] <= found['target'], f'≤ {found["target"]:.2f}'
    return [_row('distilled step / floor', setting, figure, goal, holds)]


def _result(folder: Path, name: str) -> Path:
    return folder / ('tests.xml' if name == 'tests' else f'{name}.json')


def collect(folder: Path, parts: dict[str, tuple[int, float]]) -> dict[str, Any]:
    """Read what the parts wrote; a part without a result gets a row that says so."""
    rows: list[Row] = []
    found: dict[str, Any] = {}
    for name, (status, _) in parts.items():
        file = _result(folder, name)
        if not file.is_file():
            text = f'no result, exit status {status}: see {name}.log'
            rows.append(_row(name, '', text, 'a result', False))
        elif name == 'tests':
            rows += pytest_rows(file)
        else:
            found[name] = mmengine.load(file)
            rows += loss_rows(found[name]) if name == 'loss' else step_rows(name, found[name])
    ran = {name: dict(status=status, seconds=spent) for name, (status, spent) in parts.items()}
    return dict(parts=ran, rows=rows, figures=found)


def markdown(report: dict[str, Any]) -> str:
    """Lay a report out as a Markdown table."""
    about = ', '.join(f'{key} {value}' for key, value in report['machine'].items())
    lines = [
        f'{about}.',
        '',
        '| check | setting | figure | wanted | holds |',
        '|---|---|---|--:|---|',
    ]
    for row in report['rows']:
        cells = (row[key] for key in ('check', 'setting', 'figure', 'goal'))
        lines.append(f'| {" | ".join(cells)} | {"yes" if row["holds"] else "**no**"} |')
    return '\n'.join(lines) + '\n'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the tool."""
    parser.add_argument('--out', type=Path, default=Path('work_dirs/gpu'), help='[%(default)s]')
    parser.add_argument('--skip', action='store_true', help='exit with 0 where there is no GPU')
    text = 'CUDA_VISIBLE_DEVICES chooses the card [%(default)s]'
    parser.add_argument('--device', default='cuda', choices=['cuda', 'cpu'], help=text)


def gpu_report(args: argparse.Namespace) -> int:
    """Run tests and benchmarks on a GPU; write ``report.md`` and ``report.json``.

    Returns:
        The exit status: 0 if every part ran and every test passed, whether or not the figures
        reach what is wanted; where there is no GPU 2, or 0 with ``--skip``.
    """
    missing = what_is_missing()
    if not (ROOT / 'tests').is_dir():
        missing = f'{ROOT} holds no tests: run it in a clone of the repository'
    if missing and torch.device(args.device).type == 'cuda':
        print(f'gpu-report: {"skipped, " if args.skip else ""}{missing}')
        return 0 if args.skip else 2
    from .benchmark.loss import machine

    folder = args.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    env = dict(os.environ, GPU_TESTS_DEVICE=args.device)
    parts = {}
    for name, words in commands(folder, args.device).items():
        _result(folder, name).unlink(missing_ok=True)
        print(f'{name}: {" ".join(words)}', flush=True)
        parts[name] = run_part(words, folder / f'{name}.log', env)
        print(f'{name}: exit status {parts[name][0]} after {parts[name][1]:.0f} s', flush=True)
    about = {'date': date.today().isoformat(), **machine(args.device), 'CUDA': torch.version.cuda}
    report = dict(machine=about, **collect(folder, parts))
    (folder / 'report.md').write_text(markdown(report), encoding='utf-8')
    mmengine.dump(report, folder / 'report.json', indent=1)
    print(markdown(report))
    print(f'Written: {folder / "report.md"} and report.json')
    return int(any(status for status, _ in parts.values()))

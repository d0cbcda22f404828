"""The tool that measures the loss measures what it says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ickd_mm.commands.benchmark import loss, memory, timing
from ickd_mm.commands.benchmark.naive import naive_loss
from ickd_mm.functional import icc_loss

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize('normalize', [True, False])
@pytest.mark.parametrize('grid', [(1, 1), (2, 3), (3, 4)])
@pytest.mark.parametrize('other', [(6, 9), (8, 12)])
def test_naive_form_has_the_same_value_and_gradient(other, grid, normalize):
    torch.manual_seed(0)
    student = torch.randn(2, 20, 6, 9, requires_grad=True)
    teacher = torch.randn(2, 20, *other)
    values = [f(student, teacher, grid, normalize) for f in (naive_loss, icc_loss)]
    grads = [torch.autograd.grad(value, student)[0] for value in values]
    assert torch.allclose(*values, rtol=1e-5)
    assert torch.allclose(*grads, rtol=1e-3, atol=1e-6)


def test_peak_counts_temporaries_and_forgets_what_was_there():
    kept = torch.ones(1000, 1000)
    assert memory.peak_extra_bytes(lambda: None) == 0
    one = memory.peak_extra_bytes(lambda: kept * 2)
    two = memory.peak_extra_bytes(lambda: (kept * 2) * (kept * 3))
    assert 4e6 <= one < 4.1e6
    assert 12e6 <= two < 12.1e6


def test_rounds_are_interleaved():
    order = []
    calls = {name: (lambda name=name: order.append(name)) for name in 'ab'}
    times = timing.in_turns(calls, budget=0, min_rounds=3)
    assert order == ['a', 'b'] * 4
    assert [len(taken.seconds) for taken in times.values()] == [3, 3]


def test_median_and_spread():
    times = timing.Times([4.0, 1.0, 2.0, 3.0, 100.0])
    assert times.median == 3
    assert times.spread == pytest.approx(2 / 3)
    assert timing.Times([1.0]).spread == 0


def test_the_table_holds_the_targets():
    targets = {(case.student, case.grid): case.target for case in loss.CASES if case.normalize}
    assert targets[(64, 512, 7, 7), (1, 1)] == 10
    assert targets[(1, 512, 64, 64), (32, 32)] == 60
    assert targets[(1, 2048, 64, 64), (1, 1)] == 1.2
    assert min(targets.values()) == 0.9


def test_rows_of_the_table():
    case = loss.Case((2, 32, 8, 8), (2, 2))
    row = loss.measure(case, 'cpu', budget=0.0, memory=True)
    assert row['ratio'] == pytest.approx(row['naive_ms'] / row['ours_ms'])
    assert 0 < row['ours_mib'] < row['naive_mib'] * 10
    assert row['rounds'] == 3
    assert loss.table([row], loss.machine('cpu')).row_count == 1


@pytest.mark.slow
def test_command_writes_json(tmp_path):
    out = tmp_path / 'sub' / 'figures.json'
    command = [sys.executable, 'tools/benchmark.py', 'loss', '--only', '9', '--budget', '0']
    done = subprocess.run(
        [*command, '--threads', '1', '--json', str(out)],
        cwd=ROOT,
        env={'PYTHONPATH': str(ROOT), 'PATH': '/usr/bin:/bin'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(out.read_text())
    assert figures['machine']['threads'] == 1
    assert figures['machine']['torch'] == torch.__version__
    (line,) = figures['lines']
    assert line['student'] == [64, 160, 2, 2]
    assert line['naive_ms'] > 0
    assert line['ours_mib'] > 0
    assert '64×160×2×2' in done.stdout

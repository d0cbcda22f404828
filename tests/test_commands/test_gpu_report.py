"""The report of a GPU: what it runs, the table it makes of it, and what it says without one."""

import json
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from ickd_mm.commands import gpu_report
from ickd_mm.commands.benchmark import loss

SUITE = '<testsuites><testsuite tests="5" failures="{}" errors="0" skipped="1"/></testsuites>'


@pytest.mark.parametrize(('skip', 'status'), [(False, 2), (True, 0)])
def test_without_a_gpu_it_ends_at_once_with_what_is_missing(
    skip, status, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    for built, said in ((False, 'is built without CUDA'), (True, "CUDA_VISIBLE_DEVICES is ''")):
        monkeypatch.setattr(torch.backends.cuda, 'is_built', lambda built=built: built)
        args = SimpleNamespace(out=tmp_path / 'gpu', skip=skip, device='cuda')
        assert gpu_report.gpu_report(args) == status
        assert said in capsys.readouterr().out
        assert not args.out.exists()


def wrote(file, text):
    return [sys.executable, '-S', '-c', f'open({str(file)!r}, "w").write({text!r})']


@pytest.mark.parametrize(('failures', 'status'), [(0, 0), (1, 1)])
def test_the_table(failures, status, tmp_path, monkeypatch):
    case = loss.Case((1, 8, 4, 4), (2, 2), target=1e-9)
    rows = [loss.measure(case._replace(target=t), 'cpu', 0.0, False) for t in (1e-9, 1e9)]
    row = dict(ratio=0.85, seconds=0.17, memory_mib=12.0)
    step = dict(
        input=[2, 3, 64, 64], target=0.9, steps=dict(ours=row, floor=row | dict(seconds=0.2))
    )
    parts = {
        'tests': wrote(tmp_path / 'tests.xml', SUITE.format(failures)),
        'loss': wrote(tmp_path / 'loss.json', json.dumps(dict(lines=rows))),
        'pspnet_fp32': wrote(tmp_path / 'pspnet_fp32.json', json.dumps(step)),
        'pspnet_bf16': wrote(tmp_path / 'pspnet_bf16.json', json.dumps(step)),
    }
    if failures:
        parts['tests'][-1] += '; raise SystemExit(1)'
    monkeypatch.setattr(gpu_report, 'commands', lambda *_: parts)
    args = SimpleNamespace(out=tmp_path, skip=False, device='cpu')
    assert gpu_report.gpu_report(args) == status
    table = (tmp_path / 'report.md').read_text(encoding='utf-8')
    passed = '4 passed, 0 failed' if not failures else '3 passed, 1 failed'
    last = '**no**' if failures else 'yes'
    assert f'| tests marked gpu |  | {passed}, 1 skipped | all pass | {last} |' in table
    assert [line[-8:] for line in table.splitlines() if '1×8×4×4' in line] == [
        ' | yes |',
        '**no** |',
    ]
    assert (
        'pspnet_bf16, input 2×3×64×64 | 0.850 (170.0 / 200.0 ms), peak 12 / 12 MiB | ≤ 0.90'
        in table
    )
    report = json.loads((tmp_path / 'report.json').read_text())
    assert report['parts']['tests']['status'] == failures
    assert len(report['rows']) == 5
    assert report['machine']['torch'] == torch.__version__


def test_a_part_without_a_result_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_report, 'LIMIT', 0.2)
    words = [sys.executable, '-S', '-c', 'import time; time.sleep(20)']
    ended = gpu_report.run_part(words, tmp_path / 'loss.log')
    assert ended[0] == 124
    (row,) = gpu_report.collect(tmp_path, {'loss': ended})['rows']
    assert row['figure'] == 'no result, exit status 124: see loss.log'
    assert not row['holds']


def test_a_part_ends_with_an_interrupted_report(tmp_path, monkeypatch):
    started = []

    class Interrupted(subprocess.Popen):
        def wait(self, timeout=None):
            started.append(self)
            if len(started) == 1:
                raise KeyboardInterrupt
            return super().wait(timeout)

    monkeypatch.setattr(gpu_report.subprocess, 'Popen', Interrupted)
    words = [sys.executable, '-S', '-c', 'import time; time.sleep(20)']
    with pytest.raises(KeyboardInterrupt):
        gpu_report.run_part(words, tmp_path / 'loss.log')
    assert started[0].returncode == -signal.SIGKILL


def test_what_is_run_is_there(tmp_path):
    for name, words in gpu_report.commands(tmp_path, 'cuda').items():
        for word in words:
            if word.startswith(('configs/', 'tools/')):
                assert (gpu_report.ROOT / word).is_file(), f'{name}: {word}'

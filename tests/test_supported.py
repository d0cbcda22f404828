"""Versions that do not work are refused when the package is imported."""

import subprocess
import sys

import pytest

from ickd_mm import supported


@pytest.mark.parametrize(
    ('versions', 'message'),
    [
        (dict(torch='2.0.1+cu117'), r'torch >= 2\.1; found torch 2\.0\.1\+cu117'),
        (dict(torch='1.13.1'), r'found torch 1\.13\.1'),
        (dict(torch='2.1.2', numpy='2.0.0'), r'torch 2\.1\.2 .* numpy 2\.0\.0: .* torch >= 2\.3'),
        (
            {'mmcv-lite': '2.1.0', 'onedl-mmcv': '2.3.6'},
            r'found mmcv-lite 2\.1\.0 and onedl-mmcv 2\.3\.6, which overwrite',
        ),
    ],
)
def test_what_does_not_work_is_refused(versions, message, monkeypatch):
    monkeypatch.setattr(supported, '_found', versions.get)
    with pytest.raises(RuntimeError, match=message):
        supported.check_versions()


@pytest.mark.parametrize(
    'versions',
    [dict(torch='2.1.2', numpy='1.26.4'), dict(torch='2.13.0', numpy='2.4.6'), dict(torch='3.0')],
)
def test_what_works_is_not(versions, monkeypatch):
    monkeypatch.setattr(supported, '_found', versions.get)
    supported.check_versions()


def test_an_old_python(monkeypatch):
    monkeypatch.setattr(supported.sys, 'version_info', (3, 8, 18))
    with pytest.raises(RuntimeError, match=r'Python >= 3\.9; this is 3\.8\.18'):
        supported.check_versions()


@pytest.mark.slow
def test_it_is_looked_at_when_the_package_is_imported():
    code = (
        "from importlib import metadata; metadata.version = {'torch': '2.0.0'}.get; import ickd_mm"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert 'needs torch >= 2.1; found torch 2.0.0' in done.stderr

"""No network; a zoo that lies on the disk: every URL gives random weights; the installed wheel."""

import os
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from mmengine.hub import get_config
from mmengine.registry import init_default_scope
from support.made_data import make_data
from support.recipes import read_once

from ickd_mm.preflight.model_source import ModelSource
from ickd_mm.registry import MODELS


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """Whoever asks for an address fails the test."""

    def refuse(*args, **kwargs):
        raise AssertionError(f'asks the network: {args}')

    monkeypatch.setattr(socket.socket, 'connect', refuse)
    monkeypatch.setattr(socket, 'getaddrinfo', refuse)


class Zoo:
    """Files of random weights, one an architecture, in place of those that a config names."""

    def __init__(self, folder):
        self.folder, self.files, self.asked = folder, {}, []

    def weights(self, spec):
        """A file that fits the model strictly."""
        source = ModelSource.read(spec, 'teacher')
        key = repr(sorted(source.cfg.items()))
        if key not in self.files:
            self.files[key] = self.folder / f'{len(self.files)}.pth'
            torch.manual_seed(len(self.files))
            model = MODELS.build(source.cfg)
            torch.save(dict(meta={}, state_dict=model.state_dict()), self.files[key])
        return self.files[key]

    def serve(self, model):
        """Put what a model config asks for where it will be looked for."""
        if 'teacher' not in model:
            return
        file = self.weights(model.teacher)
        if model.teacher_ckpt == 'zoo':
            url = get_config(model.teacher, pretrained=True).model_path
            target = self.folder / 'hub/checkpoints' / os.path.basename(url)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.symlink_to(file)
        else:
            model.teacher_ckpt = str(file)

    def download(self, url, target, *args, **kwargs):
        """Stand in for torch's download: start weights of a student, which may be partial."""
        self.asked.append(url)
        first = torch.randn(32, 3, 3, 3)  # of ResNetV1c and MobileNetV2; then of ResNet
        state = {'stem.0.weight': first, 'backbone.conv1.conv.weight': first}
        state['backbone.conv1.weight'] = state['conv1.weight'] = torch.randn(64, 3, 7, 7)
        state['backbone.stem.0.conv.weight'] = torch.randn(12, 3, 3, 3)  # of RTMDet-tiny
        torch.save(dict(meta={}, state_dict=state), target)


@pytest.fixture(scope='session')
def zoo_folder(tmp_path_factory):
    return Zoo(tmp_path_factory.mktemp('zoo'))


@pytest.fixture
def zoo(zoo_folder, monkeypatch):
    zoo_folder.asked.clear()
    monkeypatch.setattr('mmengine.config.utils.load', read_once)
    monkeypatch.setenv('TORCH_HOME', str(zoo_folder.folder))
    monkeypatch.setattr(torch.hub, 'download_url_to_file', zoo_folder.download)
    return zoo_folder


@pytest.fixture
def build(zoo):
    """Build and initialise the model of a config as a runner does."""

    def build(cfg):
        init_default_scope(cfg.default_scope)
        if cfg.get('data_preprocessor') is not None:
            cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
        zoo.serve(cfg.model)
        torch.manual_seed(0)
        model = MODELS.build(cfg.model)
        model.init_weights()
        return model

    return build


@pytest.fixture(scope='session')
def made(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp('made'))


@pytest.fixture(scope='session')
def installed(tmp_path_factory, wheel):
    """A folder that holds the wheel's files and nothing else."""
    folder = tmp_path_factory.mktemp('installed')
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.fixture(scope='session')
def run(tmp_path_factory, installed, made):
    """Run a script of tests/support in an empty folder, on the wheel; return that folder."""

    def run(script, *args):
        folder = tmp_path_factory.mktemp('empty')
        env = {**os.environ, 'PYTHONPATH': str(installed), 'OMP_NUM_THREADS': '1'}
        script = Path(__file__).parents[1] / 'support' / script
        command = [sys.executable, str(script), str(made), *args]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        return folder

    return run

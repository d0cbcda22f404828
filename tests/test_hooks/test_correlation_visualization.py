"""Pictures during training: in every backend, of the right student, without a trace in the run."""

import types

import numpy as np
import pytest
import torch
from mmengine.visualization import MLflowVisBackend, Visualizer
from PIL import Image
from support.repository import ICKD
from support.tools import load, succeed, train

from ickd_mm.hooks import CorrelationVisualizationHook


@pytest.mark.parametrize('interval', [0, 1.5, True])
def test_wrong_intervals(interval):
    with pytest.raises(ValueError, match=f'integer of at least 1, got {interval!r}'):
        CorrelationVisualizationHook(interval)


def test_what_is_refused_before_the_training(distiller):
    hook = CorrelationVisualizationHook(images=[0])
    runner = types.SimpleNamespace(model=torch.nn.Identity(), visualizer=Visualizer())
    with pytest.raises(TypeError, match='needs a FeatureDistiller, the model is Identity'):
        hook.before_train(runner)
    runner.model = distiller
    with pytest.raises(ValueError, match='visualizer has no vis_backends to draw into'):
        hook.before_train(runner)


def test_mlflow_gets_a_file_for_each_step(tmp_path):
    backend = MLflowVisBackend(str(tmp_path))
    logged, backend._env_initialized = [], True
    backend._mlflow = types.SimpleNamespace(log_image=lambda image, name: logged.append(name))
    runner = types.SimpleNamespace(visualizer=types.SimpleNamespace(_vis_backends=dict(a=backend)))
    for iteration in (0, 4):
        CorrelationVisualizationHook()._show(runner, 'loss_icc_correlation', None, iteration)
    assert logged == ['loss_icc_correlation_0.png', 'loss_icc_correlation_4.png']


def write_config(folder, backends):
    config = folder / 'drawn.py'
    hook = dict(type='ickd_mm.CorrelationVisualizationHook', interval=4, images=[0, 2])
    config.write_text(
        f'_base_ = {str(ICKD)!r}\ncustom_hooks = [{hook}]\n'
        f'visualizer = dict(vis_backends={[dict(type=name) for name in backends]})\n'
    )
    return config


@pytest.mark.slow
def test_local_files(tmp_path, distilled):
    options, plain = distilled
    config = write_config(tmp_path, ['LocalVisBackend'])
    succeed(train(config, tmp_path / 'run', *options, 'train_cfg.max_iters=6'))
    files = sorted(tmp_path.glob('run/*/vis_data/vis_image/*.png'))
    assert [file.name for file in files] == [f'loss_icc_correlation_{n}.png' for n in (0, 4, 6)]
    first, middle, last = (np.asarray(Image.open(file), float) for file in files)
    assert middle.shape[1] > first.shape[1]  # the student before, and now
    assert middle.shape == last.shape
    assert np.abs(middle - last).mean() > 0.5
    ran, alone = (load(folder / 'iter_6.pth')['state_dict'] for folder in (tmp_path / 'run', plain))
    assert all(torch.equal(alone[key], value) for key, value in ran.items())


@pytest.mark.slow
def test_tensorboard(tmp_path, distilled):
    from tensorboard.backend.event_processing import event_accumulator as accumulator

    config = write_config(tmp_path, ['TensorboardVisBackend'])
    succeed(train(config, tmp_path / 'run', *distilled[0], 'train_cfg.max_iters=6'))
    (file,) = tmp_path.glob('run/*/vis_data/events*')
    events = accumulator.EventAccumulator(str(file)).Reload()
    assert events.Tags()['images'] == ['loss_icc_correlation']
    images = events.Images('loss_icc_correlation')
    assert [image.step for image in images] == [0, 4, 6]
    assert images[2].width > images[0].width > 500

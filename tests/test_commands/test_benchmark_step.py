"""The benchmark of a training step: what stands against what, and what it prints."""

import json

import pytest
import torch
from mmengine.config import Config
from support.repository import ICKD, REPO
from support.tools import run_tool, succeed

from ickd_mm.commands.benchmark import step
from ickd_mm.features.taps import Capture


def steps(*words, config=ICKD):
    parser = step.argparse.ArgumentParser()
    step.add_arguments(parser)
    cfg = step.read(parser.parse_args([str(config), '--batch', '2', *words]))
    return step.Steps(cfg, 'cpu', torch.contiguous_format)


@pytest.fixture(scope='module')
def small():
    return steps()


def test_the_floor_runs_the_teacher_to_its_last_tap_and_the_student_alone(small, monkeypatch):
    ran = []
    parts = {
        'tap': small.teacher.backbone.layer4,
        'head': small.teacher.decode_head.conv_seg,
        'student': small.alone.decode_head.conv_seg,
        'distiller': small.distiller.decode_head.conv_seg,
    }
    handles = [
        part.register_forward_hook(lambda *_, name=name: ran.append(name))
        for name, part in parts.items()
    ]
    before = small.alone.backbone.layer1[0].conv1.weight.clone()
    small.floor()
    for handle in handles:
        handle.remove()
    assert ran == ['tap', 'student']
    assert not torch.equal(before, small.alone.backbone.layer1[0].conv1.weight)


def test_the_distilled_step_trains_and_the_full_one_runs_the_teachers_head(small):
    ran = []
    handle = small.distiller.teacher.model.decode_head.conv_seg.register_forward_hook(
        lambda *_: ran.append('head')
    )
    before = small.distiller.connectors['loss_icc'].conv.conv.weight.clone()
    small.ours()
    assert not ran
    assert not torch.equal(before, small.distiller.connectors['loss_icc'].conv.conv.weight)
    small.full()
    assert ran == ['head']
    small.ours()
    handle.remove()
    assert ran == ['head']


def test_both_teachers_have_the_same_weights(small):
    taps = [pair.teacher for pair in small.distiller.pairs]
    with torch.no_grad(), Capture(small.teacher, taps, 'teacher', stop=True) as seen:
        small.teacher(small.inputs, mode='tensor')
    for tap, feature in small.distiller.teacher(small.inputs).items():
        torch.testing.assert_close(feature, seen[tap], rtol=1e-4, atol=1e-5)


def test_figures_of_every_step_and_part(small):
    figures = step.measure(small, budget=0.0, memory=True)
    assert set(figures['steps']) == {'floor', 'ours', 'full'}
    assert figures['steps']['floor']['ratio'] == 1
    assert figures['input'] == [2, 3, 64, 64]
    for row in figures['steps'].values():
        assert row['rounds'] == 3
        assert row['memory_mib'] > 0
        assert row['images_per_second'] == pytest.approx(2 / row['seconds'])
    assert sum(figures['shares'].values()) == pytest.approx(1)
    assert set(figures['shares']) == {'teacher', 'student', 'connectors', 'losses'}
    shown = step.table('name', figures, dict(device='cpu'))
    assert shown.row_count == 3


def test_crop_and_batch_change_what_is_run():
    other = steps('--crop', '40', '--cfg-options', 'model.pairs.loss_icc.loss.grid=1')
    assert other.inputs.shape == (2, 3, 40, 40)
    assert other.distiller.losses['loss_icc'].grid == (1, 1)


def test_a_classifier_whose_optimizer_wrapper_names_no_type():
    config = REPO / 'configs/ickd/resnet34_resnet18_scratch_imagenet.py'
    assert 'type' not in Config.fromfile(config).optim_wrapper
    classifier = steps('--crop', '32', config=config)
    classifier.ours()
    assert classifier.inputs.shape == (2, 3, 32, 32)


def test_a_config_without_a_teacher(tmp_path):
    args = step.argparse.Namespace(config=str(REPO / 'configs/baselines/pspnet_student_digits.py'))
    args.cfg_options = None
    with pytest.raises(ValueError, match="has no teacher: its model is 'EncoderDecoder'"):
        step.read(args)


def test_amp_is_the_optimizer_wrappers_business():
    parser = step.argparse.ArgumentParser()
    step.add_arguments(parser)
    cfg = step.read(parser.parse_args([str(ICKD), '--amp', 'bfloat16']))
    assert isinstance(cfg, Config)
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'
    assert cfg.optim_wrapper.dtype == 'bfloat16'


@pytest.mark.slow
def test_the_command_prints_a_table_and_writes_json(tmp_path):
    out = tmp_path / 'sub' / 'step.json'
    words = ['step', ICKD, '--batch', '2', '--budget', '0', '--no-memory', '--json', out]
    done = succeed(run_tool(REPO / 'tools/benchmark.py', *words, fresh=True))
    assert 'time goes to: teacher' in done.stdout
    assert 'distilled step' in done.stdout
    figures = json.loads(out.read_text())
    assert figures['machine']['device'] == 'cpu'
    assert figures['images'] == 2
    assert 'memory_mib' not in figures['steps']['ours']
    assert 0 < figures['feature_error'] < 1e-5
    assert "teacher's features differ by" in done.stdout

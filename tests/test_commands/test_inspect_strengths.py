"""The weights that are proposed give the ratios that they are proposed for."""

import json

import pytest
from mmengine.config import Config
from support.repository import ICKD, REPO, TEACHER
from support.tools import run_tool, succeed

from ickd_mm.commands.inspect.strengths import measure_strengths

pytestmark = pytest.mark.slow


@pytest.fixture
def cfg(digits, teacher_file):
    cfg = Config.fromfile(ICKD)
    cfg.model.update(teacher=str(TEACHER), teacher_ckpt=teacher_file)
    cfg.train_dataloader.dataset.data_root = str(digits)
    cfg.train_dataloader.batch_size = 4
    return cfg


def test_the_proposed_weights_give_their_ratios(cfg):
    found = measure_strengths(cfg.copy())
    (first,) = found.pairs
    assert found.data == '4 training images'
    assert (first.pair, first.tap, first.weight) == ('loss_icc', 'backbone.layer4', 5.0)
    assert list(first.weights) == [0.1, 0.3, 1.0]
    for ratio, weight in first.weights.items():
        cfg.model.pairs.loss_icc.loss.loss_weight = weight
        (pair,) = measure_strengths(cfg.copy()).pairs
        assert pair.ratio == pytest.approx(ratio, rel=1e-3)
        assert pair.weights == pytest.approx(first.weights, rel=1e-3)


def test_a_pair_of_weight_0_is_measured_at_1(cfg):
    (first,) = measure_strengths(cfg.copy()).pairs
    cfg.model.pairs.loss_icc.loss.loss_weight = 0
    (pair,) = measure_strengths(cfg).pairs
    assert pair.weight == 0
    assert pair.ratio == pytest.approx(first.ratio / 5, rel=1e-3)
    assert pair.weights == pytest.approx(first.weights, rel=1e-3)


def test_a_loss_without_a_weight_and_a_task_without_a_gradient(cfg):
    logits = dict(student='decode_head.conv_seg', teacher='decode_head.conv_seg')
    cfg.model.pairs.loss_logits = dict(logits, loss=dict(type='torch.nn.MSELoss'))
    icc, logits = measure_strengths(cfg.copy()).pairs
    assert icc.ratio > 0
    assert (logits.weight, list(logits.weights)) == (None, [0.1, 0.3, 1.0])
    assert logits.weights[1.0] == pytest.approx(1 / logits.ratio)
    cfg.model.student.decode_head.loss_decode.loss_weight = 0.0
    icc, logits = measure_strengths(cfg).pairs
    assert (icc.ratio, logits.ratio, icc.weights) == (None, None, {})


def test_through_the_tool(cfg, tmp_path, teacher_file, digits, distilled):
    file = tmp_path / 'found.json'
    options = [f'model.teacher={TEACHER}', f'model.teacher_ckpt={teacher_file}']
    root = 'train_dataloader.dataset.data_root'
    command = [REPO / 'tools/inspect_model.py', ICKD, '--weights', '--json', file]
    wide = dict(env=dict(COLUMNS='160'))

    def inspect(*flags, root_folder=digits):
        options_now = ['--cfg-options', *options, f'{root}={root_folder}']
        return ' '.join(succeed(run_tool(*command, *flags, *options_now, **wide)).stdout.split())

    text = inspect()
    seen = json.loads(file.read_text())
    assert 'weight now ┃ ratio now ┃ weight for 0.1 ┃ weight for 0.3 ┃ weight for 1' in text
    assert f'│ 5 │ {seen["pairs"][0]["ratio"]:.3g} │' in text
    assert 'Student: random weights, seed 0. Batch: 16 training images.' in text
    text = inspect('--checkpoint', distilled[1] / 'iter_6.pth', root_folder='absent')
    assert 'iter_6.pth. Batch: random images, all of class 0' in text
    assert "data_root = 'absent' is not a folder" in text
    done = run_tool(REPO / 'tools/inspect_model.py', ICKD, '--checkpoint', 'x.pth')
    assert done.returncode == 2
    assert '--checkpoint is for --weights' in done.stderr

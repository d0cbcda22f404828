"""A distiller as a run starts it, and what of a checkpoint is taken."""

import pytest
import torch
from mmengine.config import Config
from support.repository import ICKD, TEACHER
from support.tools import load

from ickd_mm.checkpoint.export import export_student
from ickd_mm.commands.students import load_student, start_distiller

pytestmark = pytest.mark.slow


@pytest.fixture
def cfg(digits, teacher_file):
    cfg = Config.fromfile(ICKD)
    cfg.model.update(teacher=str(TEACHER), teacher_ckpt=teacher_file)
    cfg.randomness = dict(seed=3)
    return cfg


def test_a_seed_gives_the_same_weights_again_and_another_others(cfg):
    (first, about), (again, _) = start_distiller(cfg.copy()), start_distiller(cfg.copy())
    assert about == 'random weights, seed 3'
    cfg.randomness = dict(seed=4)
    other, _ = start_distiller(cfg)
    for name in ('backbone.layer4.0.conv1.weight', 'connectors.loss_icc.conv.conv.weight'):
        weights, same, others = (model.state_dict()[name] for model in (first, again, other))
        assert torch.equal(weights, same)
        assert not torch.equal(weights, others)
        assert weights.std() == pytest.approx(others.std().item(), rel=0.2)


def test_a_runs_checkpoint_brings_the_connector_and_an_exported_one_does_not(
    tmp_path, cfg, distilled
):
    checkpoint = distilled[1] / 'iter_6.pth'
    exported = tmp_path / 'student.pth'
    export_student(checkpoint, exported)
    saved = load(checkpoint)
    model, _ = start_distiller(cfg)
    assert load_student(model, str(exported)) == set()
    assert load_student(model, str(checkpoint)) == {'loss_icc'}
    for key, value in {**saved['state_dict'], **saved['ickd_mm']}.items():
        assert torch.equal(model.state_dict()[key], value), key
    cfg.load_from = str(exported)
    again, about = start_distiller(cfg)
    assert about == f'weights of {exported}'
    assert torch.equal(again.backbone.layer4[1].conv2.weight, model.backbone.layer4[1].conv2.weight)


def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path, cfg, distilled):
    model, _ = start_distiller(cfg)
    file = tmp_path / 'other.pth'
    state = load(distilled[1] / 'iter_6.pth')
    connector = 'connectors.loss_icc.conv.conv.weight'
    for broken, message in (
        (dict(weights=1), "no 'state_dict'"),
        (dict(state_dict={'a.weight': torch.zeros(1)}), 'does not fit the student: .* missing, 1'),
        (
            dict(state, ickd_mm={connector: torch.zeros(1, 64, 1, 1)}),
            r'does not fit pairs.loss_icc.connector: .*size mismatch',
        ),
    ):
        torch.save(broken, file)
        with pytest.raises(ValueError, match=f'(?s){message}'):
            load_student(model, str(file))


def test_a_plain_config_has_nothing_to_compare():
    cfg = Config.fromfile(TEACHER)
    with pytest.raises(TypeError, match='needs a distilled config; its model is EncoderDecoder'):
        start_distiller(cfg)

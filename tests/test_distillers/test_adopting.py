"""Everything that asks the student something gets the student's answer through the distiller."""

import copy
import re
from collections import OrderedDict

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.model import BaseModel
from mmengine.optim import build_optim_wrapper
from support.models import VIT, batch
from torch import nn

from ickd_mm.checkpoint.packing import pack, unpack
from ickd_mm.registry import MODELS


@MODELS.register_module()
class RenamingClassifier(BaseModel):
    """Leaves ``model.`` out of its checkpoints, as mmpretrain's TimmClassifier does."""

    def __init__(self, width=4, data_preprocessor=None):
        super().__init__(data_preprocessor)
        self.model = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width))
        self._register_state_dict_hook(self._strip)
        self._register_load_state_dict_pre_hook(self._add)

    @staticmethod
    def _strip(module, state, prefix, metadata):
        return OrderedDict((re.sub(f'^{prefix}model.', prefix, k), v) for k, v in state.items())

    @staticmethod
    def _add(state, prefix, *_):
        for key in list(state):
            state[re.sub(f'^{prefix}', prefix + 'model.', key)] = state.pop(key)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        features = self.model(inputs)
        return dict(loss=features.square().mean()) if mode == 'loss' else features

    def parse_losses(self, losses):
        total, log = super().parse_losses(losses)
        return 3 * total, log


def distil(student, teacher, tap, tmp_path):
    weights = str(tmp_path / 'teacher.pth')
    torch.manual_seed(1)
    torch.save(MODELS.build(ConfigDict(copy.deepcopy(teacher))).state_dict(), weights)
    pair = dict(student=tap, teacher=tap, connector=dict(type='ickd_mm.ConvConnector'),
                loss=dict(type='ickd_mm.ICKDLoss'))  # fmt: skip
    cfg = dict(type='ickd_mm.FeatureDistiller', student=student, teacher=teacher,
               teacher_ckpt=weights, pairs=dict(loss_icc=pair))  # fmt: skip
    return MODELS.build(ConfigDict(cfg))


@pytest.fixture
def renaming(tmp_path):
    student, teacher = (dict(type='ickd_mm.RenamingClassifier', width=w) for w in (4, 8))
    return distil(student, teacher, 'model', tmp_path)


def test_a_student_that_renames_its_weights_writes_and_reads_its_own_names(renaming):
    alone = RenamingClassifier()
    checkpoint = dict(state_dict=renaming.state_dict())
    assert any(key.startswith('connectors.loss_icc.') for key in checkpoint['state_dict'])
    pack(checkpoint)
    assert list(checkpoint['state_dict']) == list(alone.state_dict())
    alone.load_state_dict(checkpoint['state_dict'], strict=True)
    torch.testing.assert_close(alone.model[0].weight, renaming.student.model[0].weight)

    unpack(checkpoint)
    saved = copy.deepcopy(checkpoint['state_dict'])
    for parameter in renaming.parameters():
        parameter.data.zero_()
    renaming.load_state_dict(saved, strict=True)
    for key, value in renaming.state_dict().items():
        torch.testing.assert_close(value, saved[key], msg=key)


def test_a_copy_renames_too(renaming):
    assert list(copy.deepcopy(renaming).state_dict()) == list(renaming.state_dict())


def test_losses_are_added_up_as_the_student_does(renaming):
    total, log = renaming.parse_losses(dict(loss=torch.tensor(2.0), loss_icc=torch.tensor(5.0)))
    assert total == 21
    assert log['loss_icc'] == 5


def test_a_student_that_runs_its_own_way_is_refused(tmp_path):
    class Own(RenamingClassifier):
        def _run_forward(self, data, mode):
            return super()._run_forward(data, mode)

    MODELS.register_module(module=Own, force=True)
    student = dict(type='ickd_mm.Own', width=4)
    with pytest.raises(TypeError, match='Own has its own _run_forward: it cannot be distilled'):
        distil(student, dict(type='ickd_mm.RenamingClassifier'), 'model', tmp_path)


def test_what_neither_has_is_missed_under_the_distillers_name(renaming):
    with pytest.raises(AttributeError, match="'FeatureDistiller' object has no attribute 'neck'"):
        renaming.neck  # noqa: B018
    assert not hasattr(renaming, '__deepcopy__')
    assert not hasattr(renaming, 'out_channels')


def test_layer_decay_gives_the_students_parameters_its_own_rates(scope, tmp_path):
    optim = dict(
        optimizer=dict(type='SGD', lr=1.0, weight_decay=0.1),
        constructor='mmpretrain.LearningRateDecayOptimWrapperConstructor',
        paramwise_cfg=dict(layer_decay_rate=0.5),
    )

    def rates(model):
        groups = build_optim_wrapper(model, copy.deepcopy(optim)).optimizer.param_groups
        return {id(p): g['lr'] for g in groups for p in g['params']}

    distiller = distil(VIT, VIT, 'backbone[0]', tmp_path)
    ours, alone = rates(distiller), rates(distiller.student)
    assert len(set(alone.values())) > 2
    assert {key: ours[key] for key in alone} == alone
    connector = next(distiller.connectors.parameters())
    assert ours[id(connector)] == 1.0


def test_test_time_augmentation_of_mmseg_takes_a_distiller(distiller):
    from mmseg.models import SegTTAModel

    tta = SegTTAModel(module=distiller.eval())
    data = batch(size=64)
    for sample in data['data_samples']:
        sample.set_metainfo(dict(img_path='a.jpg', flip=False, pad_shape=(64, 64)))
    twice = {key: [copy.deepcopy(view) for _ in range(2)] for key, view in data.items()}
    with torch.no_grad():
        averaged, alone = tta.test_step(twice), distiller.test_step(data)
    for ours, theirs in zip(averaged, alone):
        assert torch.equal(ours.pred_sem_seg.data, theirs.pred_sem_seg.data)

"""The config of a distilled run with the student in the distiller's place."""

import copy

import pytest
from mmengine.config import Config
from support.recipes import recipe
from support.repository import ICKD, STUDENT

from ickd_mm.hooks import PairWeightHook
from ickd_mm.preflight.model_source import ModelSource
from ickd_mm.preflight.plain_config import plain_config


def distilled(**more):
    cfg = Config.fromfile(ICKD)
    cfg.merge_from_dict(more)
    return cfg


def test_the_student_takes_the_distillers_place():
    cfg = distilled()
    before = copy.deepcopy(cfg.to_dict())
    plain, own = plain_config(cfg), Config.fromfile(STUDENT)
    assert cfg.to_dict() == before
    assert plain.model.to_dict() == own.model.to_dict()
    assert not {'teacher_val', 'finite_check', 'custom_imports'} & set(plain)
    assert 'ickd_mm' not in plain.pretty_text
    for key in ('train_dataloader', 'val_evaluator', 'optim_wrapper', 'param_scheduler'):
        assert plain[key] == cfg[key]


def test_hooks_of_this_package_go_and_others_stay():
    others = [dict(type='EMAHook'), dict(type='mmseg.SegVisualizationHook')]
    ours = [
        dict(type='ickd_mm.PairWeightHook', pair='loss_icc', points=[]),
        dict(type=PairWeightHook, pair='loss_icc', points=[]),
        dict(type='FiniteCheckHook', _scope_='ickd_mm'),
    ]
    cfg = distilled(custom_hooks=[ours[0], others[0], *ours[1:], others[1]])
    cfg.default_hooks.pack = dict(type='ickd_mm.PackCheckpointHook')
    plain = plain_config(cfg)
    assert plain.custom_hooks == others
    assert 'pack' not in plain.default_hooks
    assert 'checkpoint' in plain.default_hooks


@pytest.mark.parametrize(
    ('imports', 'kept'),
    [
        (['ickd_mm', 'mine'], ['mine']),
        (['ickd_mm.hooks', 'ickd_mm_extra'], ['ickd_mm_extra']),
        ('ickd_mm', None),
        ('mine', ['mine']),
    ],
)
def test_the_import_of_this_package_goes(imports, kept):
    cfg = Config.fromfile(ICKD)
    cfg.custom_imports = dict(imports=imports, allow_failed_imports=True)
    plain = plain_config(cfg)
    if kept is None:
        assert 'custom_imports' not in plain
    else:
        assert plain.custom_imports == dict(imports=kept, allow_failed_imports=True)


def test_a_student_with_parts_from_here_imports_them():
    plain = plain_config(recipe('resnet56_resnet20_cifar100'))
    assert plain.custom_imports.imports == ['ickd_mm']
    assert plain.model == recipe('resnet20_cifar100').model | dict(
        data_preprocessor=recipe('resnet20_cifar100').data_preprocessor
    )


NAMED = 'mmseg::pspnet/pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py'


@pytest.mark.parametrize('student', [str(STUDENT), NAMED])
def test_a_student_that_is_named_is_read(student):
    plain = plain_config(distilled(**{'model.student': student}))
    assert plain.model.type == 'EncoderDecoder'
    assert plain.model.to_dict() == ModelSource.read(student, 'student').cfg.to_dict()

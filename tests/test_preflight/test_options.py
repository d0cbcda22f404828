"""Options of the command line that would change nothing."""

import re

import pytest
from mmengine.config import Config
from support.repository import ICKD, STUDENT
from support.tools import train

from ickd_mm.preflight.options import check_options

CONFIGS = {'distilled': ICKD, 'plain': STUDENT}
SETS = 'train_dataloader.dataset.data_root, val_dataloader.dataset.data_root, test_dataloader.'
VARIABLE = 'is a variable of the config file that nothing reads any more; '
VARIABLE += 'change what was set from it: '
NOTHING = {
    # A preprocessor beside the one that counts
    'model.data_preprocessor.size': (
        'distilled',
        'model.student has its own; set model.student.data_preprocessor.size',
    ),
    'data_preprocessor.size': (
        'distilled',
        'model.student has its own; set model.student.data_preprocessor.size',
    ),
    'data_preprocessor.mean': ('plain', 'model has its own; set model.data_preprocessor.mean'),
    # Variables that the config file has copied
    'data_root': ('plain', f"'data_root' {VARIABLE}{SETS}"),
    'crop_size': ('plain', 'model.data_preprocessor.size, train_dataloader.dataset.pip'),
    'train_pipeline.3.crop_size': ('distilled', f'{VARIABLE}train_dataloader.dataset.pipeline$'),
    'norm_cfg.type': ('distilled', f'{VARIABLE}model.student.backbone.norm_cfg, model.student.dec'),
    # Misspelt keys of dicts that nothing is built from
    'env_cfg.cudnn_benchmrk': ('plain', "no 'cudnn_benchmrk' in env_cfg; did you mean 'cudnn_ben"),
    'optim_wrapper.paramwise_cfg.norm_decay_mul': ('plain', "did you mean 'norm_decay_mult'"),
    'train_dataloader.dataset.data_prefix.img_paht': ('distilled', "did you mean 'img_path'"),
    'default_hooks.chekpoint.interval': ('plain', "no 'chekpoint' in default_hooks; did you mean"),
}  # fmt: skip
SOMETHING = [
    'model.student.data_preprocessor.size',
    'model.pairs.loss_icd.loss.type',
    'optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult',
    'optim_wrapper.paramwise_cfg.flat_decay_mult',
    'env_cfg.mp_cfg.mp_start_method',
    'default_hooks.visualization.type',
    'default_hooks.checkpoints.type',  # deliberate: it has a type
    'train_dataloader.dataset.metainfo.classes',
    'my_own_key',
    'randomness.seed',
]


@pytest.mark.parametrize('option', NOTHING)
def test_an_option_that_nothing_reads(option):
    config, message = NOTHING[option]
    with pytest.raises(KeyError) as caught:
        check_options(Config.fromfile(CONFIGS[config]), {option: 1})
    found = caught.value.args[0]
    assert found.startswith(f'--cfg-options {option}: ')
    assert re.search(message, found), found


@pytest.mark.parametrize('option', SOMETHING)
def test_an_option_that_is_read(option):
    cfg = Config.fromfile(ICKD)
    cfg.my_own_key = 5  # which a hook of the user's own may read
    check_options(cfg, {option: 'x'})


@pytest.mark.parametrize('part', ['layer4', 'layers'])
def test_parts_of_a_model_may_have_names_that_are_close(part):
    cfg = Config.fromfile(STUDENT)
    cfg.optim_wrapper.paramwise_cfg = dict(custom_keys=dict(layer3=dict(lr_mult=0.1)))
    check_options(cfg, {f'optim_wrapper.paramwise_cfg.custom_keys.{part}.lr_mult': 0.5})


def test_a_dict_may_have_numbers_for_keys():
    cfg = Config.fromfile(STUDENT)
    cfg.model.decode_head.tasks = {'0': dict(weight=1.0)}
    check_options(cfg, {'model.decode_head.tasks.0.weight': 2.0})


@pytest.mark.slow
def test_it_ends_before_training(tmp_path):
    done = train(ICKD, tmp_path, 'model.data_preprocessor.size=(32,32)')
    assert done.returncode != 0
    assert 'set model.student.data_preprocessor.size' in done.stderr.splitlines()[-1]

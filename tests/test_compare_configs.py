"""Every config of the comparisons trains; its pair moves the student; one line swaps the method."""

import re

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from support.repository import ICKD, REPO, TEACHER, data_options
from support.tools import scalars, succeed, train

from ickd_mm.losses import TorchdistillLoss
from ickd_mm.registry import MODELS
from ickd_mm.runtime import setup

COMPARISON = REPO / 'configs/comparison'
METHODS = {
    'alone', 'at', 'cc', 'cwd', 'dist', 'fitnet', 'ickd_c', 'ickd_s', 'ickd_s_cross',
    'ickd_s_fitnet', 'ickd_s_kd', 'kd', 'pkt', 'rkd', 'sp', 'vid',
}  # fmt: skip
SCHEDULED = COMPARISON / 'fitnet_then_ickd_s_pspnet_digits.py'
CONFIGS = sorted(set(COMPARISON.glob('*_digits.py')) - {SCHEDULED})


def network(file):
    return file.stem.split('_')[-2]


@pytest.fixture(scope='session')
def weights(tmp_path_factory, teacher_file):
    """A teacher's checkpoint for each network."""
    torch.manual_seed(2)
    cfg = Config.fromfile(REPO / 'configs/baselines/resnet_teacher_digits.py')
    model = MODELS.build(dict(cfg.model, _scope_='mmpretrain'))
    model.init_weights()
    path = tmp_path_factory.mktemp('teacher') / 'resnet.pth'
    torch.save({'meta': {}, 'state_dict': model.state_dict()}, path)
    return {'pspnet': teacher_file, 'resnet': str(path)}


def prepared(file, folder, digits, weights):
    """A config of two iterations on the small data."""
    cfg = Config.fromfile(file)
    root = digits if network(file) == 'pspnet' else digits / 'imagenet'
    for name in ('train', 'val', 'test'):
        cfg[f'{name}_dataloader'].dataset.data_root = str(root)
        cfg[f'{name}_dataloader'].batch_size = 4
    if network(file) == 'resnet':
        cfg.val_dataloader.dataset.indices = 8  # the last iteration validates
    cfg.work_dir = str(folder)
    cfg.train_cfg.update(max_iters=2, val_interval=10)
    cfg.default_hooks.logger.interval = 1
    cfg.default_hooks.checkpoint.interval = 10
    if 'pairs' in cfg.model:
        cfg.model.teacher_ckpt = weights[network(file)]
    return cfg


def test_both_demos_have_every_method():
    for kind in ('pspnet', 'resnet'):
        names = {file.stem for file in CONFIGS if network(file) == kind}
        assert names == {f'{method}_{kind}_digits' for method in METHODS}


@pytest.mark.slow
@pytest.mark.parametrize('file', CONFIGS, ids=lambda file: file.stem)
def test_trains_and_its_pairs_move_the_student(file, tmp_path, digits, weights):
    cfg = prepared(file, tmp_path, digits, weights)
    setup()
    cfg.experiment_name = cfg.visualizer.name = re.sub(r'\W', '_', str(tmp_path))
    runner = Runner.from_cfg(cfg)
    runner.train()
    steps = [line for line in scalars(tmp_path) if 'loss' in line]
    pairs = cfg.model.get('pairs', {})
    assert len(steps) == 2
    assert file.stem.startswith('alone_') == (not pairs)
    for step in steps:
        # mmpretrain's own loss is called 'loss' and takes the total's place in its log.
        own = step.get('decode.loss_ce', step['loss'])
        assert 0 < own < float('inf')
        assert all(0 < step[name] < float('inf') for name in pairs)
        if 'decode.loss_ce' in step:
            total = own + sum(step[name] for name in pairs)
            assert step['loss'] == pytest.approx(total, rel=1e-3)
    if not pairs:
        return
    model = runner.model
    data = model.data_preprocessor(next(iter(runner.train_dataloader)), training=True)
    losses = model(**data, mode='loss')
    first = next(model.backbone.parameters())
    for name in pairs:
        grad = torch.autograd.grad(losses[name], first, retain_graph=True)[0]
        assert grad.isfinite().all()
        assert grad.norm() > 1e-6
    model.zero_grad()
    model.parse_losses(losses)[0].backward()
    trained = {key: p.grad for key, p in model.named_parameters() if p.requires_grad}
    assert not [key for key, grad in trained.items() if grad is None or not grad.isfinite().all()]


@pytest.mark.slow
def test_one_pair_takes_the_place_of_the_other(tmp_path, digits, weights):
    cfg = prepared(SCHEDULED, tmp_path, digits, weights)
    cfg.train_cfg.max_iters = 4
    cfg.log_processor.window_size = 1
    setup()
    cfg.experiment_name = cfg.visualizer.name = re.sub(r'\W', '_', str(tmp_path))
    Runner.from_cfg(cfg).train()
    steps = [line for line in scalars(tmp_path) if 'loss' in line]
    at_work = [[step[f'loss_{name}'] > 0 for step in steps] for name in ('fitnet', 'icc')]
    assert at_work == [[True, True, True, False], [False, False, True, True]]


@pytest.mark.parametrize('file', CONFIGS, ids=lambda file: file.stem)
def test_the_weight_in_the_config_is_a_factor(file):
    cfg = Config.fromfile(file)
    for pair in cfg.model.get('pairs', {}).values():
        shape = (4, 8, 6, 6)
        logits = 'conv_seg' in pair.student or pair.student == 'head.fc'
        if logits and network(file) == 'resnet':
            shape = (4, 8)
        torch.manual_seed(0)
        student, teacher = torch.randn(2, *shape)
        module = MODELS.build(pair.loss)
        if isinstance(module, TorchdistillLoss) and module.key == 'VIDLoss':
            student = (student, torch.ones(1, 8, 1, 1))
        twice = MODELS.build(dict(pair.loss, loss_weight=2 * module.loss_weight))
        assert torch.allclose(twice(student, teacher), 2 * module(student, teacher))


SWAPS = {
    'sp': [
        'model.pairs.loss_icc.loss._delete_=True',
        'model.pairs.loss_icc.loss.type=ickd_mm.TorchdistillLoss',
        'model.pairs.loss_icc.loss.key=SPKDLoss',
    ],
    'kd': [
        'model.pairs._delete_=True',
        'model.pairs.loss_kd.student=decode_head.conv_seg',
        'model.pairs.loss_kd.teacher=decode_head.conv_seg',
        'model.pairs.loss_kd.loss.type=ickd_mm.KLDivergence',
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize('method', SWAPS)
def test_one_option_swaps_the_method(method, tmp_path, digits, teacher_file):
    options = [
        *data_options(digits),
        f'model.teacher={TEACHER}',
        f'model.teacher_ckpt={teacher_file}',
        'train_cfg.max_iters=1',
    ]
    succeed(train(ICKD, tmp_path, *options, *SWAPS[method]))
    (step,) = [line for line in scalars(tmp_path) if 'loss' in line]
    name = 'loss_kd' if method == 'kd' else 'loss_icc'
    assert step['loss'] == pytest.approx(step['decode.loss_ce'] + step[name], rel=1e-4)
    (log,) = tmp_path.glob('*/*.log')
    shown = {'sp': 'TorchdistillLoss(\n  SPKDLoss', 'kd': 'KLDivergence(tau=1.0'}[method]
    assert shown in log.read_text()


@pytest.mark.slow
def test_one_option_swaps_the_method_of_the_classifier(tmp_path, digits, weights):
    roots = [f'{name}_dataloader.dataset.data_root={digits}/imagenet' for name in ('train', 'val')]
    options = [
        *roots,
        f'model.teacher_ckpt={weights["resnet"]}',
        'train_cfg.max_iters=1',
        'train_dataloader.batch_size=4',
        'val_dataloader.dataset.indices=8',
        'default_hooks.logger.interval=1',
    ]
    swap = [option.replace('decode_head.conv_seg', 'head.fc') for option in SWAPS['kd']]
    config = REPO / 'configs/ickd/resnet_digits.py'
    succeed(train(config, tmp_path, *options, *swap))
    (step,) = [line for line in scalars(tmp_path) if 'loss' in line]
    assert step['loss_kd'] > 0
    assert 'loss_icc' not in step


@pytest.mark.slow
def test_a_misspelt_method_lists_what_exists(tmp_path, digits, teacher_file):
    options = [f'model.teacher={TEACHER}', f'model.teacher_ckpt={teacher_file}']
    swap = [option.replace('SPKDLoss', 'SPKD') for option in SWAPS['sp']]
    done = train(ICKD, tmp_path, *data_options(digits), *options, *swap)
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert re.search("no loss 'SPKD' for a pair; it has .*, SPKDLoss,", last), last

"""The CIFAR-100 recipes hold the released numbers and add up to the released loss."""

import pytest
import torch
import yaml
from mmengine.config import ConfigDict
from mmpretrain.structures import DataSample
from support.recipes import FILES, recipe
from support.repository import REPO, kl_options, table_rows
from torch.nn import functional as F

from ickd_mm.features.taps import Capture, Tap
from ickd_mm.preflight.data import LOADERS, check_data, check_teacher
from ickd_mm.registry import MODELS

ALONE = [
    'wrn_40_2', 'wrn_16_2', 'wrn_40_1', 'resnet56', 'resnet20', 'resnet110', 'resnet32',
    'resnet32x4', 'resnet8x4', 'vgg13', 'vgg8', 'mobilenet_v2', 'resnet50', 'shufflenet_v1',
    'shufflenet_v2',
]  # fmt: skip

# teacher, student -> top-1 without and with KL, as ADLab-AutoDrive/ICKD, Cifar100, reports it
PAIRS = {
    ('wrn_40_2', 'wrn_16_2'): (75.64, 75.57),
    ('wrn_40_2', 'wrn_40_1'): (74.33, 74.63),
    ('resnet56', 'resnet20'): (71.76, 71.69),
    ('resnet110', 'resnet20'): (71.68, 71.91),
    ('resnet110', 'resnet32'): (73.89, 74.11),
    ('resnet32x4', 'resnet8x4'): (75.25, 75.48),
    ('vgg13', 'vgg8'): (73.42, 73.88),
}
CROSS = [
    ('resnet32x4', 'shufflenet_v1'), ('resnet32x4', 'shufflenet_v2'),
    ('wrn_40_2', 'shufflenet_v1'), ('vgg13', 'mobilenet_v2'), ('resnet50', 'mobilenet_v2'),
    ('resnet50', 'vgg8'),
]  # fmt: skip
DISTILLED = {f'{t}_{s}': (t, s) for t, s in (*PAIRS, *CROSS)}
# The field takes their map before the last 1x1 convolution, not the one that is pooled.
TAPS = {'mobilenet_v2': 'backbone.layer7', 'shufflenet_v2': 'backbone.layers.2'}


def read(name):
    return recipe(f'{name}_cifar100')


def with_kl():
    """The options of the README, as a config takes them."""
    options = dict(option.split('=') for option in kl_options())
    return {key: yaml.safe_load(value) for key, value in options.items()}


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Random weights of a teacher, made when first asked for."""
    folder = tmp_path_factory.mktemp('teachers')

    def make(name):
        file = folder / f'{name}.pth'
        if not file.exists():
            torch.manual_seed(1)
            teacher = MODELS.build(ConfigDict(_scope_='mmpretrain', **read(name).model))
            torch.save(dict(state_dict=teacher.state_dict()), file)
        return str(file)

    return make


def build(name, weights, **changes):
    """Build a config's model as the runner does, the teacher's weights random."""
    cfg = read(name)
    if name in DISTILLED:
        teacher = DISTILLED[name][0]
        assert cfg.model.teacher == f'ickd_mm::baselines/{teacher}_cifar100.py'
        assert cfg.model.teacher_ckpt == f'checkpoints/{teacher}.pth'
        cfg.model.teacher = str(REPO / f'configs/baselines/{teacher}_cifar100.py')
        cfg.model.teacher_ckpt = weights(teacher)
        cfg.model.student._scope_ = 'mmpretrain'
    cfg.merge_from_dict(changes)
    model = cfg.model
    torch.manual_seed(0)
    scope = {} if name in DISTILLED else dict(_scope_='mmpretrain')
    model = MODELS.build(ConfigDict(model, data_preprocessor=cfg.data_preprocessor, **scope))
    model.init_weights()
    return model


def batch(n):
    generator = torch.Generator().manual_seed(3)
    images = torch.randint(0, 256, (n, 3, 32, 32), generator=generator, dtype=torch.uint8)
    samples = [DataSample().set_gt_label(7 * i) for i in range(n)]
    return dict(inputs=images, data_samples=samples)


def test_the_folders_hold_these_configs():
    wanted = [
        *(f'baselines/{name}_cifar100.py' for name in ALONE),
        *(f'ickd/{name}_cifar100.py' for name in DISTILLED),
    ]
    found = [file for file in FILES if file.stem.endswith('_cifar100')]
    assert sorted(wanted) == sorted(f'{file.parent.name}/{file.name}' for file in found)


@pytest.mark.parametrize('name', DISTILLED)
def test_a_recipe(name):
    student = DISTILLED[name][1]
    cfg = read(name)
    assert cfg.model.student == read(student).model
    assert cfg.model.input_size == 32
    pair = cfg.model.pairs.loss_icc
    assert (pair.student, pair.teacher) == (TAPS.get(student, 'backbone[0]'), 'backbone[0]')
    assert pair.connector == dict(type='ickd_mm.ConvConnector', kernel_size=1)
    assert pair.loss == dict(type='ickd_mm.ICKDLoss', grid=1, normalize=True, loss_weight=2.5)
    optimizer = cfg.optim_wrapper.optimizer
    assert optimizer.lr == (0.01 if student.startswith(('mobile', 'shuffle')) else 0.05)
    assert (optimizer.type, optimizer.momentum, optimizer.weight_decay) == ('SGD', 0.9, 5e-4)
    assert cfg.train_dataloader.batch_size == 64
    assert cfg.train_cfg.max_epochs == 240
    assert cfg.param_scheduler.milestones == [150, 180, 210]
    assert cfg.param_scheduler.gamma == 0.1
    assert list(cfg.model.pairs) == ['loss_icc']


def test_the_reported_figures_are_the_released_ones():
    rows = table_rows(REPO / 'configs/ickd/README.md')
    reported = {row[0]: row[1:4] for row in rows if '_cifar100' in row[0]}
    figures = {f'{t}_{s}': [f'{a:.2f}', f'{b:.2f}', 'R'] for (t, s), (a, b) in PAIRS.items()}
    figures |= {f'{t}_{s}': ['-', '-', ''] for t, s in CROSS}
    assert reported == {f'[{x}_cifar100]({x}_cifar100.py)': y for x, y in figures.items()}


def test_the_total_is_ce_plus_kl_plus_icc(weights):
    """gamma CE + alpha KL + beta ICC with 1, 1 and 2.5, in float64 from features and logits."""
    model = build('wrn_40_2_wrn_16_2', weights, **with_kl()).double().train()
    data = model.data_preprocessor(batch(4), training=True)
    images, labels = data['inputs'].double(), torch.arange(4) * 7
    taps = [Tap.parse('backbone[0]'), Tap.parse('head.fc')]
    with Capture(model.student, taps, 'student') as ours:
        losses = model(images, data['data_samples'], mode='loss')
    with torch.no_grad(), Capture(model.teacher.model, taps, 'teacher') as theirs:
        model.teacher.model(images, mode='tensor')
    student = model.connectors['loss_icc'](ours[taps[0]])
    grams = [torch.einsum('bcp,bdp->bcd', x, x) for x in (
        student.flatten(2), theirs[taps[0]].flatten(2))]  # fmt: skip
    rows = [F.normalize(gram, dim=2) for gram in grams]
    icc = (rows[0] - rows[1]).square().sum() / (128 * 4)
    soft = [(x / 4).softmax(1) for x in (ours[taps[1]], theirs[taps[1]])]
    kl = 16 * (soft[1] * (soft[1] / soft[0]).log()).sum() / 4
    ce = -ours[taps[1]].log_softmax(1)[torch.arange(4), labels].mean()
    wanted = dict(loss=ce, loss_kl=kl, loss_icc=2.5 * icc)
    assert set(losses) == set(wanted)
    for key, value in wanted.items():
        torch.testing.assert_close(losses[key].double(), value, rtol=1e-5, atol=1e-9)


def test_one_option_changes_a_value(weights):
    changes = {'model.pairs.loss_icc.loss.loss_weight': 1.0, 'model.pairs.loss_icc.loss.grid': 2}
    model = build('resnet56_resnet20', weights, **changes)
    assert model.pairs[0].loss.loss_weight == 1.0
    assert model.pairs[0].loss.grid == (2, 2)


@pytest.mark.parametrize('name', ['resnet20', 'resnet56_resnet20'])
def test_data_that_are_missing(name, tmp_path):
    cfg = read(name)
    for loader in LOADERS:
        assert cfg[loader].dataset.data_root == 'data/cifar100'
        assert cfg[loader].dataset.download is False
        cfg[loader].dataset.data_root = str(tmp_path / 'none')
    with pytest.raises(FileNotFoundError, match=r'none. is not a folder.*docs/data.md'):
        check_data(cfg, LOADERS)
    (tmp_path / 'none').mkdir()
    with pytest.raises(FileNotFoundError, match=r'cifar-100-python/train is missing.*docs/data.md'):
        check_data(cfg, LOADERS)


def test_a_teacher_that_is_missing(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r'checkpoints/resnet56\.pth.*docs/data.md'):
        check_teacher(read('resnet56_resnet20'))
    check_teacher(read('resnet56'))

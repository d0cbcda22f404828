"""What model and training data say about each other before the first iteration."""

import importlib.util
import itertools
import re

import pytest
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.runner import Runner
from support.repository import ICKD, REPO, TEACHER, data_options
from support.tools import train
from torch.utils.data import DataLoader, IterableDataset

from ickd_mm.commands.training import prepare_training
from ickd_mm.runtime import before_training
from ickd_mm.runtime.before_training import first_size, single_image_batches

pytestmark = pytest.mark.slow

spec = importlib.util.spec_from_file_location('train_tool', REPO / 'tools/train.py')
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


@pytest.fixture
def options(digits, teacher_file):
    teacher = [f'model.teacher={TEACHER}', f'model.teacher_ckpt={teacher_file}']
    return [*data_options(digits), *teacher, 'teacher_val=False', 'train_cfg.max_iters=2']


@pytest.fixture
def start(options, tmp_path, monkeypatch):
    """Do what tools/train.py does, up to the first iteration; return data and warnings."""

    # Half of the time goes into the layout of the config.
    monkeypatch.setattr(
        'mmengine.config.config.FormatCode', lambda text, **kwargs: (text, False), raising=False
    )

    def run(*more, text=''):
        (tmp_path / 'own.py').write_text(f'_base_ = {str(ICKD)!r}\n{text}')
        given = ['--work-dir', str(tmp_path), '--cfg-options', *options, *more]
        cfg = prepare_training(tool.parse_arguments([str(tmp_path / 'own.py'), *given]))
        cfg.experiment_name = f'{tmp_path} {more} {text}'  # mmengine keeps one runner of a name
        said, runner = [], Runner.from_cfg(cfg)

        def note(text, logger, level=0):
            said.extend([text] * bool(level))

        monkeypatch.setattr(before_training, 'print_log', note)
        loop = runner.build_train_loop(runner._train_loop)
        runner.build_val_loop(runner._val_loop)
        return loop.dataloader.dataset, said

    return run


# A map of 1x1 behind which a batch norm has one value per channel and image.
POOL = 'decode_head.psp_modules.0.0'
POOLED = [f'model.pairs.loss_icc.{key}={POOL}' for key in ('student', 'teacher')]
POOLED += ['model.pairs.loss_icc.loss.grid=1', 'model.pairs.loss_icc.loss.center=False']
LAST = ['train_dataloader.dataset.indices=5', 'train_dataloader.sampler.type=DefaultSampler']
PAIR = 'model = dict(pairs=dict(loss_icc=dict({})))\n'
RKD = PAIR.format("loss=dict(_delete_=True, type='ickd_mm.TorchdistillLoss', key='RKDLoss')")
GROUPS = PAIR.format("connector=dict(norm_cfg=dict(type='GN', num_groups=1))")
ONE = rf"'{POOL}' \(1, 64, 1, 1\) .* Expected more than 1 value per channel"


@pytest.mark.parametrize(
    ('more', 'text', 'messages'),
    [
        (
            [*POOLED, 'train_dataloader.batch_size=1'],
            '',
            [
                ONE,
                'train_dataloader.batch_size is 1: set another, or pairs.loss_icc.connector.norm',
            ],
        ),
        (
            [*POOLED, *LAST],
            '',
            [
                ONE,
                r'the last batch of train_dataloader is one image \(5 in batches of 4\): set '
                r"train_dataloader.drop_last=True, or .*.norm_cfg=dict\(type='GN', num_groups=1\)",
            ],
        ),
        (
            [*LAST, 'train_dataloader.batch_size=2'],
            RKD,
            [
                'RKDLoss takes .* N at least 2',
                r'\(5 in batches of 2\): set train_.*.drop_last=True',
            ],
        ),
    ],
)
def test_a_pair_that_cannot_train_on_one_image(start, more, text, messages):
    with pytest.raises(
        ValueError, match=r'pairs.loss_icc: student .* do not go together'
    ) as caught:
        start(*more, text=text)
    assert all(re.search(message, str(caught.value)) for message in messages), str(caught.value)


def test_another_norm_trains_on_one_image(start):
    start(*POOLED, *LAST, text=GROUPS)


@pytest.mark.parametrize(
    ('count', 'given', 'sampler', 'single'),
    [
        (5, dict(batch_size=4), DefaultSampler, True),
        (5, dict(batch_size=4), InfiniteSampler, False),  # has no end
        (5, dict(batch_size=1), InfiniteSampler, True),
        (5, dict(batch_size=4, drop_last=True), DefaultSampler, False),
        (5, dict(batch_size=3), DefaultSampler, False),
        (1, dict(batch_size=4), DefaultSampler, True),
    ],
)
def test_which_loaders_give_one_image(count, given, sampler, single):
    data = list(range(count))
    loader = DataLoader(data, sampler=sampler(data), **given)
    assert bool(single_image_batches(loader)) == single
    if 'Infinite' not in sampler.__name__:
        assert any(len(batch) == 1 for batch in loader) == single


def test_a_sampler_without_a_length():
    assert not single_image_batches(DataLoader([0], batch_size=4, sampler=itertools.count()))


def test_a_tap_inside_what_is_checkpointed(start):
    said = (
        "student='backbone.layer4' carries no gradient: it is inside "
        "activation_checkpointing='backbone'; tap 'backbone'"
    )
    with pytest.raises(ValueError, match=said):
        start('activation_checkpointing=backbone')


class Stream(IterableDataset):
    def __iter__(self):
        return iter(())


def test_data_without_a_first_sample():
    assert first_size(DataLoader(Stream()), None) is None
    assert first_size(DataLoader({'a': 1}), None) is None


def test_it_ends_before_training(options, tmp_path):
    done = train(ICKD, tmp_path, *options, *POOLED, *LAST)
    assert done.returncode != 0
    assert 'set train_dataloader.drop_last=True' in done.stderr.splitlines()[-1]
    assert 'Iter(train)' not in done.stdout


# The digits with label 10, the last, as void.
TEN = """
_ten = dict(classes=tuple('abcdefghij'), palette=[[n] * 3 for n in range(10)])
_data = dict(metainfo=dict(_delete_=True, **_ten))
_loss = dict(class_weight=None)
_head = dict(num_classes=10, ignore_index=10, loss_decode=_loss)
_pads = dict(seg_pad_val=10)
_score = dict(ignore_index=10)
{}
train_dataloader, val_dataloader = dict(dataset=_data), dict(dataset=_data)
model = dict(student=dict(decode_head=_head, data_preprocessor=_pads))
val_evaluator = _score
"""


def test_a_label_that_the_head_ignores_is_trained_with(start):
    dataset, said = start(text=TEN.format(''))
    assert not said
    assert max(sample['data_samples'].gt_sem_seg.data.max() for sample in dataset) == 10


@pytest.mark.parametrize('change', ['', '_data["ignore_index"] = 10'])
def test_a_label_that_no_head_ignores_is_refused(start, change):
    dataset, _ = start(text=TEN.format(f'{change}; _head["ignore_index"] = 255'.strip('; ')))
    with pytest.raises(
        ValueError, match=r'labels \[10\], outside .* \(0 to 9, 255 for pixels to ignore\)'
    ):
        list(dataset)


def test_a_label_that_the_head_tells_apart_is_trained_whatever_the_data_set_names(start):
    dataset, _ = start(text=TEN.format('_head.update(num_classes=11, ignore_index=255)'))
    assert max(sample['data_samples'].gt_sem_seg.data.max() for sample in dataset) == 10


def test_what_disagrees_is_said(start):
    _, said = start(text=TEN.format('_score = _pads = dict()'))
    assert [re.sub(' is .*|: .*', '', message) for message in said] == [
        'model.student.data_preprocessor.seg_pad_val',
        'val_evaluator.ignore_index',
    ]

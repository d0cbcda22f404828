"""What model and training data say about each other before the first iteration."""

import importlib.util
import re

import pytest
from mmengine.runner import Runner
from support.repository import ICKD, REPO, TEACHER, data_options
from support.tools import train

from ickd_mm.commands.training import prepare_training

spec = importlib.util.spec_from_file_location('train_tool', REPO / 'tools/train.py')
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


@pytest.fixture
def options(digits, teacher_file):
    teacher = [f'model.teacher={TEACHER}', f'model.teacher_ckpt={teacher_file}']
    return [*data_options(digits), *teacher, 'teacher_val=False', 'train_cfg.max_iters=2']


@pytest.fixture
def start(options, tmp_path, monkeypatch):
    """Do what tools/train.py does with a config, up to the first iteration."""

    # Half of the time goes into the layout of the config.
    monkeypatch.setattr('mmengine.config.config.FormatCode', lambda text, **kwargs: (text, False))

    def run(*more, text=''):
        (tmp_path / 'own.py').write_text(f'_base_ = {str(ICKD)!r}\n{text}')
        given = ['--work-dir', str(tmp_path), '--cfg-options', *options, *more]
        cfg = prepare_training(tool.parse_arguments([str(tmp_path / 'own.py'), *given]))
        cfg.experiment_name = f'{tmp_path} {more} {text}'  # mmengine keeps one runner of a name
        runner = Runner.from_cfg(cfg)
        runner.build_train_loop(runner._train_loop)
        return '\n'.join(file.read_text() for file in tmp_path.glob('*/*.log'))

    return run


# A map of 1x1 behind which a batch norm has one value per channel and image.
POOL = 'decode_head.psp_modules.0.0'
POOLED = [f'model.pairs.loss_icc.{key}={POOL}' for key in ('student', 'teacher')]
POOLED.append('model.pairs.loss_icc.loss.grid=1')
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


@pytest.mark.parametrize(
    ('more', 'text'),
    [
        ([*POOLED, 'train_dataloader.dataset.indices=5'], ''),  # a sampler without an end
        ([*POOLED, *LAST, 'train_dataloader.drop_last=True'], ''),
        ([*POOLED, *LAST, 'train_dataloader.batch_size=3'], ''),
        ([*POOLED, *LAST], GROUPS),
        (LAST, ''),  # the map is large enough
    ],
)
def test_a_pair_that_can(start, more, text):
    start(*more, text=text)


@pytest.mark.slow
def test_it_ends_before_training(options, tmp_path):
    done = train(ICKD, tmp_path, *options, *POOLED, *LAST)
    assert done.returncode != 0
    assert 'set train_dataloader.drop_last=True' in done.stderr.splitlines()[-1]
    assert 'Iter(train)' not in done.stdout

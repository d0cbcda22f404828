"""What the tools check of a config before they run it."""

import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS

from ickd_mm.cli import check_data, check_teacher


def config(root, kind='BaseSegDataset', scope='mmseg', **more):
    dataset = dict(type=kind, data_root=str(root), **more)
    return Config(dict(default_scope=scope, train_dataloader=dict(dataset=dataset)))


def test_a_folder_that_is_there_passes(tmp_path):
    check_data(config(tmp_path), ('train_dataloader', 'val_dataloader'))


def test_a_missing_folder_is_named_with_its_key_and_remedy():
    cfg = config('no/where')
    cfg.how_to_get_data = 'ask the librarian'
    with pytest.raises(FileNotFoundError, match="dataset.data_root = 'no/where'.*the librarian"):
        check_data(cfg, ('train_dataloader',))


def test_a_folder_deep_in_the_config_is_found():
    inner = dict(type='BaseSegDataset', data_root='no/where')
    cfg = config('.', kind='RepeatDataset', dataset=dict(type='ConcatDataset', datasets=[inner]))
    with pytest.raises(FileNotFoundError, match=r'dataset\.dataset\.datasets\[0\]\.data_root'):
        check_data(cfg, ('train_dataloader',))


def test_data_that_come_by_themselves_pass():
    check_data(config('no/where', kind='CIFAR10', scope='mmpretrain'), ('train_dataloader',))
    check_data(config('s3://bucket/voc'), ('train_dataloader',))
    with pytest.raises(FileNotFoundError):
        cfg = config('no/where', kind='CIFAR10', scope='mmpretrain', download=False)
        check_data(cfg, ('train_dataloader',))


def test_a_config_without_a_scope(tmp_path):
    cfg = config('no/where')
    cfg.pop('default_scope')
    with pytest.raises(FileNotFoundError):
        check_data(cfg, ('train_dataloader',))


def test_no_part_is_dropped_where_all_are_missing(tmp_path):
    parts = [dict(type='A', data_root=str(tmp_path), ann_file=f'{n}.txt') for n in 'ab']
    dataset = dict(type='ConcatDataset', datasets=parts)
    cfg = Config(dict(default_scope='mmseg', train_dataloader=dict(dataset=dataset)))
    check_data(cfg, ('train_dataloader',))
    assert len(cfg.train_dataloader.dataset.datasets) == 2


class Listed:
    """A data set that says which files it has, as mmpretrain's CIFAR classes do."""

    base_folder = 'files'
    train_list = [['train', '356c9ee60e9da05301adc3bd96f6b383']]
    test_list = [['test', None]]


@pytest.fixture
def listed():
    DATASETS.register_module(name='Listed', module=Listed)
    yield 'mmengine.Listed'
    DATASETS.module_dict.pop('Listed')


def test_missing_and_damaged_files_are_named(tmp_path, listed):
    cfg = config(tmp_path, kind=listed)
    cfg.how_to_get_data = 'ask the librarian'
    with pytest.raises(FileNotFoundError) as caught:
        check_data(cfg, ('train_dataloader',))
    message = str(caught.value)
    assert f'{tmp_path}/files/train is missing' in message
    assert f'{tmp_path}/files/test is missing' in message and 'ask the librarian' in message

    (tmp_path / 'files').mkdir()
    (tmp_path / 'files/test').touch()
    (tmp_path / 'files/train').write_text('half')
    with pytest.raises(FileNotFoundError, match='train is not the published file'):
        check_data(cfg, ('train_dataloader',))
    (tmp_path / 'files/train').write_text('whole')
    check_data(cfg, ('train_dataloader',))


def test_a_teacher_that_is_not_there_is_named_with_its_remedy(tmp_path):
    cfg = Config(dict(model=dict(teacher_ckpt='no.pth'), how_to_get_teacher='ask the dean'))
    with pytest.raises(FileNotFoundError, match="model.teacher_ckpt = 'no.pth'.*ask the dean"):
        check_teacher(cfg)
    (tmp_path / 'a.pth').touch()
    for there in ('zoo', 'https://host/a.pth', str(tmp_path / 'a.pth')):
        cfg.model.teacher_ckpt = there
        check_teacher(cfg)


def test_a_config_without_a_teacher_has_none_missing():
    check_teacher(Config(dict(model=dict(type='A'), how_to_get_teacher='ask the dean')))

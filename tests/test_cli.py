"""What the tools check of a config before they run it."""

import pytest
from mmengine.config import Config

from ickd_mm.cli import check_data


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


@pytest.mark.parametrize('text', ['', '\n', ' \n\n'])
def test_a_list_without_samples_is_named(tmp_path, text):
    (tmp_path / 'train.txt').write_text(text)
    cfg = config(tmp_path, ann_file='train.txt')
    with pytest.raises(ValueError, match=r"dataset\.ann_file: '.*train\.txt' lists no sample"):
        check_data(cfg, ('train_dataloader',))
    (tmp_path / 'train.txt').write_text('a\n')
    check_data(cfg, ('train_dataloader',))

"""What the tools check of a config before they run it."""

import copy
from typing import ClassVar

import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS
from support.made_data import make_coco
from support.repository import REPO

from ickd_mm.preflight.data import (
    LOADERS,
    check_data,
    check_teacher,
    leave_out_absent_parts,
    set_data_root,
)


def config(root, kind='BaseSegDataset', scope='mmseg', **more):
    dataset = dict(type=kind, data_root=str(root), **more)
    return Config(dict(default_scope=scope, train_dataloader=dict(dataset=dataset)))


def test_a_missing_folder_is_named_with_its_key_and_remedy(tmp_path):
    cfg = config(tmp_path / 'data')
    cfg.how_to_get_data = 'ask the librarian'
    says = "^train_dataloader.dataset.data_root = '.*/data' is not a folder .*; ask the librarian$"
    with pytest.raises(FileNotFoundError, match=says):
        check_data(cfg, LOADERS)
    check_data(cfg, LOADERS[1:])  # only the loaders that will run are looked at
    (tmp_path / 'data').mkdir()
    before = cfg.to_dict()
    check_data(cfg, LOADERS)
    assert cfg.to_dict() == before


def test_a_folder_deep_in_the_config_is_found():
    inner = dict(type='BaseSegDataset', data_root='no/where')
    cfg = config('.', kind='RepeatDataset', dataset=dict(type='ConcatDataset', datasets=[inner]))
    with pytest.raises(FileNotFoundError, match=r'dataset\.dataset\.datasets\[0\]\.data_root'):
        check_data(cfg, ('train_dataloader',))


@pytest.mark.parametrize(
    ('root', 'kind', 'refused'),
    [
        ('no/where', dict(kind='CIFAR10', scope='mmpretrain'), dict(download=False)),
        ('s3://bucket/voc', {}, dict(data_root='bucket/voc')),
    ],
)
def test_data_that_come_by_themselves_pass(root, kind, refused):
    cfg = config(root, **kind)
    check_data(cfg, LOADERS)
    cfg.train_dataloader.dataset.update(refused)
    with pytest.raises(FileNotFoundError, match='is not a folder'):
        check_data(cfg, LOADERS)


def test_a_config_without_a_scope():
    cfg = config('no/where')
    cfg.pop('default_scope')
    with pytest.raises(FileNotFoundError, match=r"dataset\.data_root = 'no/where'"):
        check_data(cfg, ('train_dataloader',))


def test_absent_parts_of_a_joined_data_set(tmp_path):
    parts = [dict(type='A', data_root=str(tmp_path), ann_file=f'{n}.txt') for n in 'ab']
    dataset = dict(type='ConcatDataset', datasets=parts)
    cfg = Config(dict(default_scope='mmseg', train_dataloader=dict(dataset=dataset)))

    leave_out_absent_parts(cfg, LOADERS)
    assert cfg.train_dataloader.dataset == dataset  # none is there: an error, not an empty set
    with pytest.raises(FileNotFoundError, match=r'datasets\[0\]\.ann_file: no file .*a\.txt'):
        check_data(cfg, LOADERS)

    (tmp_path / 'b.txt').write_text('x\n')
    with pytest.raises(FileNotFoundError, match=r'a\.txt'):
        check_data(cfg, LOADERS)
    leave_out_absent_parts(cfg, LOADERS)
    assert [part.ann_file for part in cfg.train_dataloader.dataset.datasets] == ['b.txt']
    check_data(cfg, LOADERS)


def test_the_data_root_is_set_in_every_loader():
    inner = [dict(data_root='a'), dict(dataset=dict(data_root='b'))]
    cfg = Config(dict(train_dataloader=dict(dataset=inner), test_dataloader=dict(data_root='c')))
    set_data_root(cfg, 'd')
    assert cfg.train_dataloader.dataset[0].data_root == 'd'
    assert cfg.train_dataloader.dataset[1].dataset.data_root == 'd'
    assert cfg.test_dataloader.data_root == 'd'


VOC = ('JPEGImages', 'SegmentationClass', 'SegmentationClassAug', 'ImageSets/Segmentation')


@pytest.mark.parametrize('absent', VOC[:3])
def test_a_voc_folder_laid_out_wrong_says_what_is_missing(tmp_path, absent):
    for folder in VOC:
        (tmp_path / folder).mkdir(parents=True)
    for name in ('train', 'aug', 'val'):
        (tmp_path / f'ImageSets/Segmentation/{name}.txt').write_text('2007_000032\n')
    cfg = Config.fromfile(REPO / 'configs/baselines/pspnet_r18_voc.py')
    set_data_root(cfg, str(tmp_path))
    check_data(cfg, LOADERS)
    (tmp_path / absent).rmdir()
    with pytest.raises(FileNotFoundError, match=f"data_prefix.*{absent}'.*docs/data.md"):
        check_data(cfg, LOADERS)


@pytest.fixture
def imagenet(tmp_path):
    for split in ('train', 'val'):
        (tmp_path / split / 'n01440764').mkdir(parents=True)
    cfg = Config.fromfile(REPO / 'configs/baselines/resnet18_scratch_imagenet.py')
    set_data_root(cfg, str(tmp_path))
    return cfg, tmp_path


def test_an_imagenet_folder(imagenet):
    cfg, root = imagenet
    check_data(cfg, LOADERS)
    (root / 'val/n01440764').rmdir()
    (root / 'val/ILSVRC2012_val_00000001.JPEG').touch()
    check_data(cfg, LOADERS[:1])
    with pytest.raises(FileNotFoundError, match=r"split: .*val' holds no class.*docs/data.md"):
        check_data(cfg, LOADERS)
    (root / 'meta').mkdir()
    (root / 'meta/val.txt').touch()
    check_data(cfg, LOADERS)


def test_an_imagenet_folder_without_a_split(imagenet):
    cfg, root = imagenet
    (root / 'train/n01440764').rmdir()
    (root / 'train').rmdir()
    with pytest.raises(FileNotFoundError, match=r"split: '.*train' is not a folder.*docs/data.md"):
        check_data(cfg, LOADERS)


@pytest.mark.parametrize('prefix', ['pictures', dict(img_path='pictures')])
def test_class_folders_of_any_name(tmp_path, prefix):
    cfg = config(tmp_path, kind='CustomDataset', scope='mmpretrain', data_prefix=prefix)
    with pytest.raises(FileNotFoundError, match=r"data_prefix.*pictures'"):
        check_data(cfg, LOADERS)
    (tmp_path / 'pictures').mkdir()
    with pytest.raises(FileNotFoundError, match="pictures' holds no class folders"):
        check_data(cfg, LOADERS)
    (tmp_path / 'pictures/cats').mkdir()
    check_data(cfg, LOADERS)


@pytest.mark.parametrize(
    ('kind', 'more'),
    [
        ('CustomDataset', dict(data_prefix='pictures', with_label=False)),
        ('CustomDataset', dict(data_prefix=dict(img_path='pictures'), with_label=False)),
        ('ImageNet', dict(data_prefix='pictures', with_label=False, extensions=('.dcm',))),
        ('ImageNet', dict(split='test', data_prefix='pictures')),
    ],
)
@pytest.mark.parametrize('file', ['1.png', 'a/b/2.png'])
def test_images_without_labels_lie_as_they_like(tmp_path, kind, more, file):
    folder = tmp_path / 'pictures'
    folder.mkdir()
    cfg = config(tmp_path, kind=kind, scope='mmpretrain', **more)
    with pytest.raises(FileNotFoundError, match=r"pictures' holds no file .*data_root"):
        check_data(cfg, LOADERS)
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).touch()
    check_data(cfg, LOADERS)


def test_a_flat_folder_with_labels(tmp_path):
    (tmp_path / '1.png').touch()
    cfg = config(tmp_path, kind='CustomDataset', scope='mmpretrain')
    with pytest.raises(FileNotFoundError) as caught:
        check_data(cfg, LOADERS)
    assert str(caught.value).startswith(
        f"train_dataloader.dataset.data_prefix: '{tmp_path}' holds no class folders; without "
        'labels, set with_label=False (looked in '
    )


class Listed:
    """A data set that says which files it has, as mmpretrain's CIFAR classes do."""

    base_folder = 'files'
    train_list: ClassVar = [['train', '356c9ee60e9da05301adc3bd96f6b383']]
    test_list: ClassVar = [['test', None]]


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
    assert f'{tmp_path}/files/test is missing' in message
    assert 'ask the librarian' in message

    (tmp_path / 'files').mkdir()
    (tmp_path / 'files/test').touch()
    (tmp_path / 'files/train').write_text('half')
    with pytest.raises(FileNotFoundError, match='train is not the published file'):
        check_data(cfg, ('train_dataloader',))
    (tmp_path / 'files/train').write_text('whole')
    check_data(cfg, ('train_dataloader',))


def test_a_teacher_that_is_not_there_is_named_with_its_remedy(tmp_path):
    cfg = Config(dict(model=dict(teacher_ckpt='no.pth'), how_to_get_teacher='ask the dean'))
    with pytest.raises(FileNotFoundError, match=r"model.teacher_ckpt = 'no.pth'.*ask the dean"):
        check_teacher(cfg)
    (tmp_path / 'a.pth').touch()
    for there in ('zoo', 'https://host/a.pth', str(tmp_path / 'a.pth')):
        cfg.model.teacher_ckpt = there
        check_teacher(cfg)
    cfg.model.pop('teacher_ckpt')
    check_teacher(cfg)


@pytest.mark.parametrize('text', ['', '\n', ' \n\n'])
def test_a_list_without_samples_is_named(tmp_path, text):
    (tmp_path / 'train.txt').write_text(text)
    cfg = config(tmp_path, ann_file='train.txt')
    with pytest.raises(ValueError, match=r"dataset\.ann_file: '.*train\.txt' lists no sample"):
        check_data(cfg, ('train_dataloader',))
    (tmp_path / 'train.txt').write_text('a\n')
    check_data(cfg, ('train_dataloader',))


def test_labels_that_nothing_reads_are_not_asked_for(tmp_path):
    (tmp_path / 'images').mkdir()
    cfg = config(tmp_path, data_prefix=dict(img_path='images', seg_map_path='masks'))
    cfg.val_dataloader = cfg.train_dataloader.to_dict()
    cfg.model = dict(type='ickd_mm.FeatureDistiller', supervised=False)
    check_data(cfg, ('train_dataloader',))
    with pytest.raises(FileNotFoundError, match=r"^val_.*seg_map_path: no folder '.*/masks'"):
        check_data(cfg, ('val_dataloader',))
    for change in (
        dict(pipeline=[dict(type='LoadAnnotations')]),
        dict(data_prefix=dict(img_path='no')),
    ):
        other = copy.deepcopy(cfg)
        other.train_dataloader.dataset.update(change)
        with pytest.raises(FileNotFoundError, match=r'^train_.*data_prefix\.\w+: no folder'):
            check_data(other, ('train_dataloader',))
    cfg.model.supervised = True
    with pytest.raises(FileNotFoundError, match=r'^train_.*masks'):
        check_data(cfg, ('train_dataloader',))


def test_annotations_of_a_metric_move_with_the_data_and_are_looked_for(tmp_path):
    make_coco(tmp_path)
    dataset = dict(type='CocoDataset', ann_file='annotations/instances_val2017.json')
    dataset.update(data_root='data/coco/', data_prefix=dict(img='val2017/'), pipeline=[])
    metric = dict(type='CocoMetric', ann_file='data/coco/annotations/instances_val2017.json')
    other = dict(type='CocoMetric', ann_file='elsewhere/val.json')
    cfg = Config(
        dict(val_dataloader=dict(dataset=dataset), val_evaluator=[metric, other, dict(type='A')])
    )
    set_data_root(cfg, str(tmp_path))
    moved, kept, _ = cfg.val_evaluator
    assert moved.ann_file == str(tmp_path / 'annotations/instances_val2017.json')
    assert kept.ann_file == 'elsewhere/val.json'
    with pytest.raises(FileNotFoundError, match=r"val_evaluator\[1\].ann_file: no file 'elsewhere"):
        check_data(cfg, ('val_dataloader',))
    set_data_root(cfg, str(tmp_path / 'deeper'))  # below the old folder
    assert moved.ann_file == str(tmp_path / 'deeper/annotations/instances_val2017.json')

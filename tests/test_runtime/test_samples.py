"""Bad data: the file is named, by an error or, where mmseg tolerates it, a warning."""

import shutil

import numpy as np
import pytest
from mmengine.runner import Runner
from mmseg.datasets import BaseSegDataset
from PIL import Image
from support.forking import train
from support.repository import STUDENT, data_options
from support.tools import scalars, succeed

from ickd_mm.runtime import samples, setup
from ickd_mm.runtime.samples import NamingPipeline, watch

LISTS = 'ImageSets/Segmentation/{}.txt'


@pytest.fixture
def root(digits, tmp_path):
    """A data set of its own to spoil; returns the folder and the first names of both splits."""
    shutil.copytree(digits, tmp_path / 'data', ignore=shutil.ignore_patterns('imagenet'))
    folder = tmp_path / 'data'
    names = [(folder / LISTS.format(n)).read_text().split()[0] for n in ('train', 'val')]
    return folder, *names


def dataset(folder, split='train', **more):
    return BaseSegDataset(
        data_root=str(folder),
        metainfo=dict(classes=tuple('abcdefghijk')),
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        ann_file=LISTS.format(split),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ],
        **more,
    )


def watched(folder, strict=True, **more):
    made = dataset(folder, **more)
    watch(made, strict)
    return made


def relabel(folder, name, label):
    file = folder / f'SegmentationClass/{name}.png'
    labels = np.array(Image.open(file))
    labels[10:12, 20:22] = label
    Image.fromarray(labels).save(file)
    return file


def test_sound_samples_pass_unchanged(scope, digits):
    plain, ours = dataset(digits), watched(digits)
    assert isinstance(ours.pipeline, NamingPipeline)
    for n in range(3):
        assert (plain[n]['inputs'] == ours[n]['inputs']).all()


def test_the_label_that_means_none_passes(scope, root):
    folder, name, _ = root
    relabel(folder, name, 255)
    assert (watched(folder)[0]['data_samples'].gt_sem_seg.data == 255).any()


@pytest.mark.parametrize('label', [11, 37, 254])
def test_a_label_outside_the_classes(scope, root, label):
    folder, name, _ = root
    file = relabel(folder, name, label)
    with pytest.raises(ValueError, match='outside the 11 classes') as caught:
        watched(folder)[0]
    assert repr(str(file)) in str(caught.value)
    assert f'labels [{label}], outside the 11 classes' in str(caught.value)


def test_where_it_is_tolerated_it_is_said_once_a_file(scope, root, monkeypatch):
    folder, _, name = root
    file = relabel(folder, name, 37)
    said = []
    monkeypatch.setattr(samples, 'print_log', lambda text, *_: said.append(text))
    made = watched(folder, strict=False, split='val')
    assert made[0] is not None
    assert made[0] is not None
    assert len(said) == 1
    assert repr(str(file)) in said[0]


@pytest.mark.parametrize(
    'spoil',
    [
        lambda file: file.write_bytes(b''),
        lambda file: file.write_bytes(b'no picture'),
        lambda file: file.unlink(),
    ],
    ids=['empty', 'garbage', 'missing'],
)
@pytest.mark.parametrize('kind', ['JPEGImages/{}.jpg', 'SegmentationClass/{}.png'])
def test_an_image_or_mask_that_cannot_be_read(scope, root, spoil, kind):
    folder, name, _ = root
    file = folder / kind.format(name)
    spoil(file)
    with pytest.raises(ValueError, match='cannot prepare the sample') as caught:
        watched(folder)[0]
    assert repr(str(file)) in str(caught.value)


def test_an_empty_data_set_is_an_error_and_not_an_endless_wait(scope, root):
    folder, _, _ = root
    (folder / LISTS.format('train')).write_text('')
    with pytest.raises(ValueError, match=r'Segmentation/train.txt. lists no sample'):
        watched(folder, serialize_data=False)
    setup()
    loader = dict(dataset=dict(type=dataset, folder=folder), batch_size=1, sampler=None)
    with pytest.raises(ValueError, match=r'keeps no sample: .*filter_empty_gt=True'):
        Runner.build_dataloader(loader)


def test_data_sets_inside_others(scope, digits):
    from mmengine.dataset import ConcatDataset, RepeatDataset

    first, second, third = dataset(digits), dataset(digits, 'val'), dataset(digits)
    watch(ConcatDataset([first, second]), strict=True)
    watch(RepeatDataset(third, 2), strict=True)
    assert all(isinstance(d.pipeline, NamingPipeline) for d in (first, second, third))


def test_a_class_beyond_those_of_a_classifier(digits):
    from mmengine.registry import init_default_scope
    from mmpretrain.datasets import CustomDataset

    init_default_scope('mmpretrain')
    pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
    made = CustomDataset(data_root=str(digits / 'imagenet'), data_prefix='train', pipeline=pipeline)
    watch(made, strict=True)
    made.pipeline.classes = 10
    assert made[0] is not None
    made.pipeline.classes = made[-1]['data_samples'].gt_label.item()
    with pytest.raises(ValueError, match='outside the'):
        made[-1]


def options(folder):
    return [*data_options(folder), 'train_cfg.max_iters=8', 'train_cfg.val_interval=1']


@pytest.mark.slow
@pytest.mark.parametrize('workers', [0, 1])
def test_a_run_on_an_unreadable_image_names_it(root, tmp_path, workers):
    folder, name, _ = root
    file = folder / f'JPEGImages/{name}.jpg'
    file.write_bytes(b'no picture')
    loader = f'train_dataloader.num_workers={workers}'
    done = train(STUDENT, tmp_path / 'run', *options(folder), loader)
    assert done.returncode != 0, done.stderr[-500:]
    assert repr(str(file)) in done.stderr, done.stderr[-500:]


@pytest.mark.slow
def test_a_run_on_an_empty_list_ends_before_training(root, tmp_path):
    folder, _, _ = root
    (folder / LISTS.format('train')).write_text('\n')
    done = train(STUDENT, tmp_path / 'run', *options(folder), timeout=100)
    assert done.returncode != 0
    assert 'lists no sample' in done.stderr.splitlines()[-1]
    assert not scalars(tmp_path / 'run')


@pytest.mark.slow
def test_a_run_with_a_strange_label_in_its_validation_set_warns(root, tmp_path):
    folder, _, name = root
    file = relabel(folder, name, 37)
    steps = 'train_cfg.max_iters=1'
    done = succeed(train(STUDENT, tmp_path / 'run', *options(folder), steps))
    (line,) = [text for text in done.stdout.splitlines() if 'outside the 11 classes' in text]
    assert 'WARNING' in line
    assert repr(str(file)) in line
    assert 'mIoU' in done.stdout

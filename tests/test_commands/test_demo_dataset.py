"""The offline data set: the same bytes, no shared material, broken attempts made anew."""

import dataclasses
import functools
import json
import operator
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ickd_mm.commands.demo import dataset
from ickd_mm.commands.demo.dataset import MANIFEST, is_complete, prepare_digits
from ickd_mm.commands.demo.scenes import PALETTE, Material, draw_scene, draw_single, load_material

pytestmark = pytest.mark.slow

SIZE = dict(train=6, val=3)


def rng(seed):
    return np.random.default_rng(seed)


def contents(root):
    return {
        str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob('*')) if p.is_file()
    }


def few_digits(seed):
    """Of both splits every eighth digit: a whole set has 1,797."""
    return {
        split: dataclasses.replace(one, glyphs=one.glyphs[::8], labels=one.labels[::8])
        for split, one in load_material(seed).items()
    }


@pytest.fixture(scope='module', autouse=True)
def small_sets(digits):  # a whole set, made before
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, 'load_material', few_digits)
        yield


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp('made') / 'digits'
    assert prepare_digits(root, **SIZE, seed=5)
    return root


def test_the_same_seed_gives_the_same_bytes_and_another_others(made, tmp_path):
    prepare_digits(tmp_path / 'a', **SIZE, seed=5)
    assert contents(tmp_path / 'a') == contents(made)
    prepare_digits(tmp_path / 'b', **SIZE, seed=6)
    image = 'JPEGImages/train_0000.jpg'
    assert (tmp_path / 'b' / image).read_bytes() != (made / image).read_bytes()


def test_a_whole_set_is_left_alone(made):
    before = {p: p.stat().st_mtime_ns for p in made.rglob('*')}
    assert not prepare_digits(made, **SIZE, seed=5)
    assert before == {p: p.stat().st_mtime_ns for p in made.rglob('*')}


def test_scenes_without_masks_leave_the_others_as_they_are(made, tmp_path):
    root = tmp_path / 'digits'
    shutil.copytree(made, root)
    assert prepare_digits(root, **SIZE, seed=5, unlabelled=3)
    found = contents(root)
    scenes = {name: data for name, data in found.items() if name.startswith('unlabelled')}
    assert sorted(scenes) == [f'unlabelled/{n:04d}.jpg' for n in range(3)]
    labelled = {data for name, data in found.items() if name.startswith('JPEGImages')}
    assert len(labelled | {*scenes.values()}) == 12
    same = contents(made)
    assert found.keys() - same.keys() == scenes.keys()
    assert all(found[name] == data for name, data in same.items() if name != MANIFEST)
    for fewer in (0, 2):  # more than is asked for does no harm
        assert not prepare_digits(root, **SIZE, seed=5, unlabelled=fewer)
    assert prepare_digits(root, **SIZE, seed=5, unlabelled=4)
    assert scenes.items() <= contents(root).items()


def _cut(root):
    (root / 'JPEGImages/val_0001.jpg').write_bytes(b'\xff\xd8')


def _remove(root):
    (root / 'SegmentationClass/train_0002.png').unlink()


def _forget(root):
    (root / MANIFEST).unlink()


def _garble(root):
    (root / MANIFEST).write_text('{"settings"')


def _other(root):
    (root / MANIFEST).write_text(json.dumps([1]))


@pytest.mark.parametrize('damage', [_cut, _remove, _forget, _garble, _other])
def test_a_broken_attempt_is_made_anew(made, tmp_path, damage):
    root = tmp_path / 'digits'
    shutil.copytree(made, root)
    assert is_complete(root, **SIZE, seed=5)
    damage(root)
    assert not is_complete(root, **SIZE, seed=5)
    assert prepare_digits(root, **SIZE, seed=5)
    assert contents(root) == contents(made)


def test_an_interrupted_attempt_leaves_no_half_set(made, tmp_path):
    def stop(files, total):
        for n, file in enumerate(files):
            if n == 5:
                raise KeyboardInterrupt
            yield file

    root = tmp_path / 'digits'
    with pytest.raises(KeyboardInterrupt):
        prepare_digits(root, **SIZE, seed=5, progress=stop)
    assert not root.exists()
    assert prepare_digits(root, **SIZE, seed=5)
    assert contents(root) == contents(made)
    assert not root.with_name('digits.partial').exists()


def test_a_folder_of_somebody_else_is_not_touched(tmp_path):
    mine = tmp_path / 'JPEGImages/2007_000032.jpg'
    mine.parent.mkdir()
    mine.write_text('x')
    with pytest.raises(FileExistsError, match='2007_000032'):
        prepare_digits(tmp_path, **SIZE)
    assert mine.read_text() == 'x'
    (tmp_path / 'link').symlink_to(tmp_path)
    with pytest.raises(FileExistsError, match='link'):
        prepare_digits(tmp_path / 'link', **SIZE)


@pytest.mark.parametrize('wrong', [dict(train=0), dict(val=0), dict(seed=-1), dict(unlabelled=-1)])
def test_wrong_counts(tmp_path, wrong):
    with pytest.raises(ValueError, match='needs train and val >= 1'):
        prepare_digits(tmp_path / 'a', **wrong)


def test_train_and_val_share_no_digit_and_no_photograph_region():
    material = load_material(0)
    train, val = material['train'], material['val']
    ours = {glyph.tobytes() for glyph in train.glyphs}
    assert not any(glyph.tobytes() in ours for glyph in val.glyphs)
    assert set(train.labels) == set(val.labels) == set(range(10))
    assert len(train.glyphs) + len(val.glyphs) == 1797
    for left, right in zip(train.photos, val.photos):
        assert left.shape[0] == right.shape[0]
        assert left.shape[1] + right.shape[1] == 640


def test_a_scene_shows_what_its_labels_say():
    material = load_material(0)['train']
    for seed in range(20):
        image, labels = draw_scene(material, 64, np.random.default_rng(seed))
        assert image.shape == (64, 64, 3)
        assert labels.shape == (64, 64)
        assert 1 <= len(set(np.unique(labels)) - {0}) <= 5
        assert image[labels > 0].mean() > image[labels == 0].mean() + 20


def test_mmseg_reads_it_as_it_reads_voc(made):
    from mmengine.config import Config
    from mmseg.registry import DATASETS
    from support.repository import REPO

    cfg = Config.fromfile(REPO / 'configs/_base_/datasets/digits_voc.py')
    assert cfg.metainfo.palette == PALETTE
    for loader, count in ((cfg.train_dataloader, 6), (cfg.val_dataloader, 3)):
        dataset = DATASETS.build(dict(loader.dataset, data_root=str(made), _scope_='mmseg'))
        assert len(dataset) == count
        sample = dataset[0]
        assert sample['inputs'].shape == (3, 64, 64)
        labels = sample['data_samples'].gt_sem_seg.data
        assert labels.shape == (1, 64, 64)
        assert 1 <= labels.max() <= 10
    mask = Image.open(made / 'SegmentationClass/val_0000.png')
    assert mask.mode == 'P'
    assert mask.getpalette()[:33] == functools.reduce(operator.iadd, PALETTE, [])


def test_every_digit_in_class_folders(digits):
    for split, material in load_material(3).items():
        folders = {p.name: len(list(p.iterdir())) for p in (digits / 'imagenet' / split).iterdir()}
        assert folders == {str(d): int((material.labels == d).sum()) for d in range(10)}


@pytest.mark.parametrize('size', [24, 32, 48])
def test_single_digits_use_their_own_split_alone(size):
    """Every pixel comes from the material given: other glyphs, other image; no glyphs, no digit."""
    material = load_material(0)['train']
    blank = Material(np.zeros_like(material.glyphs), material.labels, material.photos)
    dark = [np.zeros_like(photo) for photo in material.photos]
    digit_alone = np.zeros_like(material.glyphs)
    digit_alone[7] = material.glyphs[7]
    drawn = draw_single(Material(digit_alone, material.labels, dark), 7, size, rng(1))
    empty = draw_single(Material(blank.glyphs, material.labels, dark), 7, size, rng(1))
    lit = np.abs(drawn.astype(int) - empty).max(2) > 60
    assert empty.mean() < 15
    assert 0.03 < lit.mean() < 0.6
    assert not np.array_equal(draw_single(material, 7, size, rng(1)), drawn)


def test_mmpretrain_reads_the_single_digits(made):
    from mmengine.config import Config
    from mmengine.registry import DefaultScope
    from mmpretrain.registry import DATASETS
    from support.repository import REPO

    cfg = Config.fromfile(REPO / 'configs/_base_/datasets/digits_imagefolder.py')
    seen = {}
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        for split, loader in (('train', cfg.train_dataloader), ('val', cfg.val_dataloader)):
            dataset = DATASETS.build(dict(loader.dataset, data_root=str(made / 'imagenet')))
            assert list(dataset.CLASSES) == [str(digit) for digit in range(10)]
            material = few_digits(5)[split]
            labels = sorted(int(dataset[i]['data_samples'].gt_label) for i in range(len(dataset)))
            assert labels == sorted(material.labels)
            assert dataset[0]['inputs'].shape == (3, 32, 32)
            files = [Path(info['img_path']) for info in dataset.load_data_list()]
            seen[split] = {file.read_bytes() for file in files}
    assert not seen['train'] & seen['val']

"""Write the digit scenes in the layouts that mmseg and mmpretrain read, and check them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from .scenes import PALETTE, Material, draw_scene, draw_single, load_material

MANIFEST = 'manifest.json'
FORMAT = 2
SCENE, SINGLE = 64, 32
OURS = re.compile(
    r'JPEGImages/(train|val)_\d{4,}\.jpg|SegmentationClass/(train|val)_\d{4,}\.png|'
    r'ImageSets/Segmentation/(train|val)\.txt|imagenet/(train|val)/\d/\d{4}\.png|'
    r'unlabelled/\d{4,}\.jpg|' + re.escape(MANIFEST)
)

Progress = Callable[..., Iterable]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _strangers(root: Path) -> list[str]:
    """List what is under ``root`` and not ours; ``root`` itself if it is a link or a file."""
    if root.is_symlink() or root.is_file():
        return [root.name]
    files = (p.relative_to(root).as_posix() for p in root.rglob('*') if not p.is_dir())
    return sorted(name for name in files if not OURS.fullmatch(name))


def _settings(train: int, val: int, seed: int) -> dict[str, int]:
    return {'format': FORMAT, 'train': train, 'val': val, 'seed': seed}


def is_complete(root: Path, train: int, val: int, seed: int, unlabelled: int = 0) -> bool:
    """Tell whether ``root`` holds this data set, every file as it was written.

    It may hold more unlabelled scenes than asked for: the first are the same.
    """
    try:
        manifest = json.loads((root / MANIFEST).read_text())
        same = manifest['settings'] == _settings(train, val, seed)
        enough = manifest.get('unlabelled', 0) >= unlabelled
        return same and enough and all(_digest(root / n) == d for n, d in manifest['files'].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _write_voc(root: Path, split: str, material: Material, count: int, seed: int) -> Iterator[Path]:
    """Write ``count`` scenes as JPEGImages, SegmentationClass and ImageSets, as VOC has them."""
    images, masks = root / 'JPEGImages', root / 'SegmentationClass'
    lists = root / 'ImageSets' / 'Segmentation'
    for folder in (images, masks, lists):
        folder.mkdir(parents=True, exist_ok=True)
    palette = np.asarray(PALETTE, np.uint8).flatten().tolist()
    names = []
    for n, child in enumerate(np.random.SeedSequence(seed).spawn(count)):
        name = f'{split}_{n:04d}'
        image, labels = draw_scene(material, SCENE, np.random.default_rng(child))
        Image.fromarray(image).save(images / f'{name}.jpg', quality=92, subsampling=0)
        mask = Image.fromarray(labels)
        mask.putpalette(palette)
        mask.save(masks / f'{name}.png')
        names.append(name)
        yield images / f'{name}.jpg'
        yield masks / f'{name}.png'
    (lists / f'{split}.txt').write_text('\n'.join(names) + '\n')
    yield lists / f'{split}.txt'


def _write_unlabelled(root: Path, material: Material, count: int, seed: int) -> Iterator[Path]:
    """Write ``count`` scenes as images alone, none of them a scene of the labelled splits."""
    (root / 'unlabelled').mkdir(parents=True, exist_ok=True)
    # Of a seed with a second number, so that the scenes of no other seed are the same.
    for n, child in enumerate(np.random.SeedSequence((4 * seed, 1)).spawn(count)):
        image, _ = draw_scene(material, SCENE, np.random.default_rng(child))
        file = root / 'unlabelled' / f'{n:04d}.jpg'
        Image.fromarray(image).save(file, quality=92, subsampling=0)
        yield file


def _write_imagenet(root: Path, split: str, material: Material, seed: int) -> Iterator[Path]:
    """Write every digit sample of the split once, in one folder per class."""
    for n, child in enumerate(np.random.SeedSequence(seed).spawn(len(material.labels))):
        folder = root / 'imagenet' / split / str(material.labels[n])
        folder.mkdir(parents=True, exist_ok=True)
        image = draw_single(material, n, SINGLE, np.random.default_rng(child))
        Image.fromarray(image).save(folder / f'{n:04d}.png')
        yield folder / f'{n:04d}.png'


def prepare_digits(
    root: Path | str,
    train: int = 500,
    val: int = 250,
    seed: int = 0,
    progress: Progress = lambda items, total: items,
    unlabelled: int = 0,
) -> bool:
    """Make the offline data set; the same arguments give the same bytes.

    ``root`` gets a Pascal VOC layout (64×64 scenes) and, under ``imagenet``, the digits one
    by one as 32×32 images in class folders. The set is written beside ``root`` and moved there
    when complete, with a manifest of digests, so that a broken or different one is replaced.

    Args:
        root: folder to make.
        train: scenes to train on, at least 1.
        val: scenes to validate on, at least 1.
        seed: decides every pixel, at least 0.
        progress: called with the iterable of written files and ``total=`` their number.
        unlabelled: other scenes of the training split's digits and photographs, at least 0,
            written as images alone under ``unlabelled``.

    Returns:
        True if the set was made, False if it already existed.

    Raises:
        ValueError: for a count that is too small or a negative seed.
        FileExistsError: if ``root`` holds files that this function does not write.
    """
    root = Path(root)
    if min(train, val) < 1 or min(seed, unlabelled) < 0:
        wanted = 'train and val >= 1, seed and unlabelled >= 0'
        got = f'train={train}, val={val}, seed={seed}, unlabelled={unlabelled}'
        raise ValueError(f'needs {wanted}; got {got}')
    if is_complete(root, train, val, seed, unlabelled):
        return False
    partial = root.with_name(root.name + '.partial')
    for folder in (root, partial):
        if strangers := _strangers(folder):
            raise FileExistsError(
                f'{folder} holds other files ({strangers[:3]}); name another folder'
            )
    for leftover in (partial, root):
        shutil.rmtree(leftover, ignore_errors=True)
    material = load_material(seed)

    def files() -> Iterator[Path]:
        for number, (split, count) in enumerate({'train': train, 'val': val}.items()):
            yield from _write_voc(partial, split, material[split], count, 4 * seed + number)
            yield from _write_imagenet(partial, split, material[split], 4 * seed + 2 + number)
        if unlabelled:
            yield from _write_unlabelled(partial, material['train'], unlabelled, seed)

    total = 2 * (train + val) + 2 + unlabelled + sum(len(m.labels) for m in material.values())
    written = progress(files(), total=total)
    digests = {p.relative_to(partial).as_posix(): _digest(p) for p in written}
    manifest = {'settings': _settings(train, val, seed), 'unlabelled': unlabelled, 'files': digests}
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=0))
    partial.rename(root)
    return True

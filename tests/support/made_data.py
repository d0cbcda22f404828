"""Four images in the layout of each data set that the recipes read."""

import pickle

import numpy as np
from PIL import Image


def make_data(root):
    """Write the folders ``voc``, ``imagenet``, ``cifar100`` and ``fashionmnist``."""
    rng = np.random.default_rng(0)
    masks = ('SegmentationClass', 'SegmentationClassAug')
    for folder in ('JPEGImages', 'unlabelled', *masks, 'ImageSets/Segmentation'):
        (root / 'voc' / folder).mkdir(parents=True)
    for n in range(4):
        image = Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8))
        image.save(root / f'voc/JPEGImages/{n}.jpg')
        image.save(root / f'voc/unlabelled/{n}.jpg')
        for folder in masks:
            mask = Image.fromarray(rng.integers(0, 11, (64, 64), np.uint8))
            mask.save(root / f'voc/{folder}/{n}.png')
        for split in ('train', 'val'):
            (root / f'imagenet/{split}/{n}').mkdir(parents=True)
            image.resize((32, 32)).save(root / f'imagenet/{split}/{n}/image.jpg')
    for split in ('train', 'aug', 'val'):
        (root / f'voc/ImageSets/Segmentation/{split}.txt').write_text('0\n1\n2\n3\n')
    (root / 'imagenet/meta').mkdir()
    for split in ('train', 'val'):  # with these four lines there need not be 1,000 folders
        lines = ''.join(f'{n}/image.jpg {n}\n' for n in range(4))
        (root / f'imagenet/meta/{split}.txt').write_text(lines)
    (root / 'cifar100/cifar-100-python').mkdir(parents=True)
    pixels = rng.integers(0, 256, (4, 3 * 32 * 32), np.uint8)
    for split in ('train', 'test'):
        made = pickle.dumps(dict(data=pixels, fine_labels=[0, 1, 2, 3]))
        (root / 'cifar100/cifar-100-python' / split).write_bytes(made)
    (root / 'fashionmnist').mkdir()
    for split in ('train', 't10k'):  # a magic number, the sizes, the bytes
        for kind, shape in (('images-idx3', (4, 28, 28)), ('labels-idx1', (4,))):
            numbers = np.array([2048 + len(shape), *shape], '>i4').tobytes()
            values = rng.integers(0, 10, shape, np.uint8).tobytes()
            (root / f'fashionmnist/{split}-{kind}-ubyte').write_bytes(numbers + values)
    return root

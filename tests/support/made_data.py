"""Four images in the layout of each data set that the recipes read."""

import json
import pickle

import numpy as np
from PIL import Image


def make_data(root):
    """Write the folders ``voc``, ``imagenet``, ``cifar100``, ``fashionmnist`` and ``coco``."""
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
    make_coco(root / 'coco')
    return root


def make_coco(root, size=64):
    """Write four images, each with a box of a person and one of a bicycle, for both splits."""
    rng = np.random.default_rng(1)
    (root / 'annotations').mkdir(parents=True)
    kinds = [dict(id=1, name='person'), dict(id=2, name='bicycle')]
    for split in ('train2017', 'val2017'):
        (root / split).mkdir()
        images, boxes = [], []
        for n in range(4):
            pixels = rng.integers(0, 256, (size, size, 3), np.uint8)
            Image.fromarray(pixels).save(root / split / f'{n}.jpg')
            images.append(dict(id=n, file_name=f'{n}.jpg', width=size, height=size))
            for kind in (1, 2):
                x, y, side = 4 * n + 8 * kind, 4 + 8 * kind, size // 2
                corners = [x, y, x + side, y, x + side, y + side, x, y + side]
                box = dict(bbox=[x, y, side, side], area=side**2, segmentation=[corners], iscrowd=0)
                boxes.append(dict(box, id=len(boxes) + 1, image_id=n, category_id=kind))
        made = dict(images=images, annotations=boxes, categories=kinds)
        (root / f'annotations/instances_{split}.json').write_text(json.dumps(made))
    return root

"""Labels that model, data and evaluation do not agree on, and classes that no mask shows."""

import re

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.datasets import BaseSegDataset
from mmseg.evaluation import IoUMetric
from PIL import Image
from support.repository import STUDENT

from ickd_mm.preflight.labels import evaluation_conflicts, training_conflicts, unseen_classes
from ickd_mm.registry import MODELS

DATA, PADS = 'train_dataloader.dataset', 'model.student.data_preprocessor.seg_pad_val'
HEAD = 'model.student.decode_head'
IGNORES = f'but {HEAD}.ignore_index is 10: '
NEITHER = 'padded pixels get a label that is neither a class nor ignored'
LOAD, ROTATE = dict(type='LoadAnnotations'), dict(type='RandomRotate', prob=0.5, degree=9.0)


def model(options):
    """A student that ignores label 10 everywhere, but for what the options change."""
    cfg = Config.fromfile(STUDENT)
    cfg.model.decode_head.loss_decode = dict(type='TverskyLoss', ignore_index=10)
    ours = {'decode_head.ignore_index': 10, 'data_preprocessor.seg_pad_val': 10, **options}
    cfg.merge_from_dict({f'model.{key}': value for key, value in ours.items()})
    return MODELS.build(cfg.model)


def dataset(folder, classes='abcdefghij', pipeline=(LOAD,), **more):
    return BaseSegDataset(
        data_root=str(folder),
        metainfo=dict(classes=tuple(classes)),
        data_prefix=dict(img_path='', seg_map_path=''),
        pipeline=list(pipeline),
        img_suffix='.png',
        **more,
    )


@pytest.mark.parametrize(
    ('options', 'data', 'message'),
    [
        ({}, {}, None),
        ({}, dict(ignore_index=10), None),
        ({}, dict(pipeline=[LOAD, ROTATE | dict(seg_pad_val=10)]), None),
        (
            {'data_preprocessor.seg_pad_val': 255},
            {},
            f'{PADS} is 255, {IGNORES}{NEITHER}; set {PADS}=10',
        ),
        ({'data_preprocessor.seg_pad_val': 255, 'data_preprocessor.size': None}, {}, None),
        (
            {'data_preprocessor.seg_pad_val': 0},
            {},
            f"{PADS} is 0, {IGNORES}padded pixels are trained as class 'a'; set {PADS}=10",
        ),
        (
            {},
            dict(pipeline=[LOAD, ROTATE]),
            f'{DATA}.pipeline.1.seg_pad_val is 255, {IGNORES}{NEITHER}; '
            f'set {DATA}.pipeline.1.seg_pad_val=10',
        ),
        (
            {'decode_head.loss_decode.ignore_index': 255},
            {},
            f'{HEAD}.loss_decode.ignore_index is 255, {IGNORES}it ignores other pixels; '
            f'set {HEAD}.loss_decode.ignore_index=10',
        ),
        (
            {},
            dict(ignore_index=7),
            f'{DATA}.ignore_index is 7, which no loss reads: set {HEAD}.ignore_index=7 and leave '
            'it out',
        ),
    ],
)
def test_ignored_labels_that_disagree(scope, tmp_path, options, data, message):
    found = training_conflicts(
        model(options), dataset(tmp_path, lazy_init=True, **data), 'model.student.'
    )
    assert list(found) == ([message] if message else [])


def test_an_evaluator_that_ignores_another_label(scope):
    metrics = [IoUMetric(ignore_index=10), IoUMetric()]
    assert list(evaluation_conflicts(model({}), metrics)) == [
        'val_evaluator.ignore_index is 255, but decode_head.ignore_index is 10: what is predicted '
        'at the label that the model ignores counts as wrong; set val_evaluator.ignore_index=10'
    ]


@pytest.mark.parametrize(
    ('marks', 'classes', 'more', 'message'),
    [
        (
            (0, 255),
            ['ground', 'cell'],
            {},
            rf"{DATA}: none of 3 masks \(of 3\) shows class 1 'cell', while 25.0% of the pixels "
            r'are ignored and teach nothing: does 255 stand for one there\? Write its own number',
        ),
        (
            (0, 1),
            ['ground', 'cell'],
            dict(reduce_zero_label=True),
            "shows class 1 'cell', while 75.0% .*: reduce_zero_label=True ignores label 0 and "
            'lowers the others: leave it out$',
        ),
        (
            (0, 1),
            'abcd',
            dict(reduce_zero_label=True),
            r"class 1 'b' or 2 'c' or 3 'd', .*: does 255 stand for one there\?",
        ),
        ((2, 255), 'abcdefgh', {}, "shows class 0 'a' or 1 'b' or .* or 5 'f' or 2 more, while"),
        ((0, 255), ['ground', 'cell'], dict(indices=2), r'none of 2 masks \(of 2\)'),
        ((0, 1), ['ground', 'cell', 'none'], {}, None),  # nothing is ignored
        ((255, 0), ['cell'], {}, None),  # every class is there
    ],
)
def test_classes_that_no_mask_shows(scope, tmp_path, marks, classes, more, message):
    mask = np.full((8, 8), marks[0], np.uint8)
    mask[:4, :4] = marks[1]
    for number in range(3):
        Image.fromarray(mask).save(tmp_path / f'{number}.png')
    said = unseen_classes(dataset(tmp_path, classes, **more), {255})
    assert re.search(message, said) if message else not said


def test_a_large_data_set_is_looked_at_here_and_there(scope, tmp_path):
    for number in range(250):
        mask = np.array([[0, 255 if number < 249 else 1]], np.uint8)
        Image.fromarray(mask).save(tmp_path / f'{number:03}.png')
    data = dataset(tmp_path, ['ground', 'cell', 'none'])
    message = r"100 masks \(of 250\) shows class 2 'none', .*; if they are rare, nothing is wrong$"
    assert re.search(message, unseen_classes(data, {255}))
    # A sample of ADE20K, with its 150 classes and reduce_zero_label, shows a part of them.
    assert not unseen_classes(dataset(tmp_path, map(str, range(150))), {255})

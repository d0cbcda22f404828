"""Recipes and pairs of libraries: whole runs by our tool and by the library's, plain students."""

import json
from itertools import combinations
from pathlib import Path

import pytest
from support.libraries import STUDENTS, TEACHERS, config_of, installed, needs
from support.plainly import run_plainly
from support.predicting import same
from support.tools import load, scalars

from ickd_mm.runtime.stack import missing_operator

pytestmark = pytest.mark.slow

SUPPORT = Path(__file__).parents[1] / 'support'
# One of each family of recipes: its data set, task and loop.
RECIPES = {
    'scenes': 'pspnet_digits',
    'digits': 'resnet_digits',
    'coco': 'retinanet_r101_r18_coco',
    'mosaics of coco': 'rtmdet_s_tiny_coco',
    'voc': 'pspnet_r101_r18_voc',
}
DETECTORS = ('coco', 'mosaics of coco')  # they suppress boxes by an operator that may be missing
OURS_ALONE = ('voc',)  # ImageNet's and CIFAR-100's recipes have tests in test_tools
NEEDS = {name: ['mmdet'] if name in DETECTORS else [] for name in RECIPES}
# The recipes of scenes and digits are the other two pairs, of mmseg's and mmpretrain's own models.
PAIRS = {
    f'{student} by {teacher}': (student, teacher)
    for student in STUDENTS
    for teacher in TEACHERS
    if student != teacher or student in ('mmdet', 'timm')
}
NEEDS.update(PAIRS)
RUNS = [
    pytest.param(name, tool, marks=needs(*NEEDS[name]))
    for name in NEEDS
    for tool in ('ours', 'foreign')
    if tool == 'ours' or name not in OURS_ALONE
]
BOTH = [name for name in NEEDS if name not in OURS_ALONE]
THERE = [name for name in NEEDS if installed(*NEEDS[name])]


def row_of(name):
    if name in PAIRS:
        base, text = config_of(*PAIRS[name])
    else:
        base, text = f'ickd_mm::ickd/{RECIPES[name]}.py', ''
    tools = ['ours'] if name in OURS_ALONE else ['ours', 'foreign']
    return dict(base=base, text=text, tools=tools)


@pytest.fixture(scope='session')
def trained(run):
    return run('train_by_tools.py', json.dumps([row_of(name) for name in THERE]))


def folder_of(trained, name, tool):
    return trained / f'{tool}-{THERE.index(name)}'


@pytest.mark.parametrize(('name', 'tool'), RUNS)
def test_two_iterations_and_a_validation(trained, name, tool):
    folder = folder_of(trained, name, tool)
    printed = (folder / 'output.txt').read_text()
    assert json.loads((trained / 'codes.json').read_text())[folder.name] == 0, printed[-1500:]
    assert 'Failed to search registry' not in printed
    lines = scalars(folder)
    assert len([line for line in lines if line.get('loss_icc', 0) > 0]) == 2
    if name not in DETECTORS or not missing_operator('batched_nms'):
        scores = {'mIoU', 'accuracy/top1', 'coco/bbox_mAP'}
        # A detector may predict no box after two iterations; mmdet then has no score.
        without_boxes = 'results of the whole dataset is empty' in printed
        assert without_boxes or any(scores & line.keys() for line in lines)
    weights = load(next(folder.glob('*_*.pth')))['state_dict']
    assert weights
    assert not any('teacher' in key for key in weights)


PLAIN = """
import traceback, warnings
warnings.simplefilter('ignore')
sys.path.append(sys.argv[1])
from predicting import predict
found = {}
for file in sys.argv[3:]:
    try:
        found[file] = predict(file)
    except Exception:
        found[file] = traceback.format_exc()
assert 'ickd_mm' not in sys.modules
torch.save(found, sys.argv[2])
"""


@pytest.fixture(scope='session')
def plain(trained, tmp_path_factory):
    """What the plain libraries predict from the checkpoints that both tools wrote."""
    out = tmp_path_factory.mktemp('plain') / 'out.pth'
    folders = sorted(file.parent for file in trained.glob('*/predictions.pth'))
    files = [next(folder.glob('*_*.pth')) for folder in folders]
    run_plainly(PLAIN, SUPPORT, out, *files, cwd=trained)
    return {folder: load(out)[str(file)] for folder, file in zip(folders, files)}


@pytest.mark.parametrize('name', [pytest.param(name, marks=needs(*NEEDS[name])) for name in BOTH])
def test_the_plain_library_predicts_the_same(trained, plain, name):
    """Masks and logits, classes and scores, DETR's boxes; of other detectors what the head gives.

    Their boxes are a function of it, by operators that may be missing here.
    """
    for tool in ('ours', 'foreign'):
        folder = folder_of(trained, name, tool)
        assert not isinstance(plain[folder], str), plain[folder]
        assert same(load(folder / 'predictions.pth'), plain[folder])


def test_no_two_runs_of_our_tool_predict_the_same(plain):
    found = [plain[folder] for folder in plain if folder.name.startswith('ours')]
    assert not any(same(one, other) for one, other in combinations(found, 2))

"""The teacher's features from the disk: the same bits, and only for the same question."""

import copy
import io
import logging

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.registry import MODELS, init_default_scope
from support.repository import model_config

from ickd_mm.features.taps import Tap
from ickd_mm.teachers.feature_store import FeatureStore
from ickd_mm.teachers.frozen_teacher import FrozenTeacher
from ickd_mm.teachers.options import TeacherOptions

pytestmark = pytest.mark.slow

TAPS = [Tap.parse('backbone.layer2'), Tap.parse('decode_head.conv_seg')]


@pytest.fixture(scope='module')
def pspnet():
    init_default_scope('mmseg')
    torch.manual_seed(0)
    return MODELS.build(model_config('pspnet_teacher_digits')).eval()


@pytest.fixture
def teacher(pspnet, tmp_path):
    def build(taps=TAPS, change=None, **run):
        model = copy.deepcopy(pspnet)
        if change:
            change(model)
        run = TeacherOptions(**{'store': str(tmp_path / 'store'), **run})
        return FrozenTeacher(model, taps, None, run=run, size=(64, 64))

    return build


@pytest.fixture
def said(caplog):
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)
    logger.setLevel(level)


def files(tmp_path):
    return sorted((tmp_path / 'store').iterdir())


def no_forward(*args, **kwargs):
    raise AssertionError('the teacher ran')


def test_what_is_read_is_what_was_computed(teacher, tmp_path):
    images = torch.randn(2, 3, 64, 64)
    plain, first = teacher(store=None)(images), teacher()(images)
    second = teacher()
    second.model.forward = no_forward
    again = second(images)
    assert list(again) == TAPS
    assert len(files(tmp_path)) == 1
    for tap in TAPS:
        for other in (first, again):
            assert torch.equal(other[tap], plain[tap])
            assert other[tap].stride() == plain[tap].stride()


@pytest.mark.parametrize(
    'other',
    [
        dict(change=lambda model: model.backbone.stem[0].weight.data.mul_(1.0001)),
        dict(change=lambda model: setattr(model.backbone.layer4[0].relu, 'inplace', False)),
        dict(taps=TAPS[:1]),  # what lies behind is not folded
        dict(fold=False),
        dict(dtype='bf16'),
    ],
    ids=['weights', 'structure', 'taps', 'options', 'dtype'],
)
def test_another_teacher_is_another_question(teacher, tmp_path, other):
    images = torch.randn(2, 3, 64, 64)
    teacher()(images)
    got, want = teacher(**other)(images), teacher(**{**other, 'store': None})(images)
    assert len(files(tmp_path)) == 2
    assert all(torch.equal(got[tap], want[tap]) for tap in want)
    assert list(got) == list(want)


def test_one_file_serves_taps_that_need_the_same_layers(teacher, tmp_path):
    images = torch.randn(2, 3, 64, 64)
    both = [Tap.parse('decode_head.bottleneck'), Tap.parse('decode_head.conv_seg')]
    want = teacher(taps=both, store=None)(images)
    for tap in both:
        assert torch.equal(teacher(taps=[tap])(images)[tap], want[tap])
    assert len(files(tmp_path)) == 1
    for taps in (*([tap] for tap in both), both):
        served = teacher(taps=taps)
        served.model.forward = no_forward
        got = served(images)
        assert list(got) == taps
        assert all(torch.equal(got[tap], want[tap]) for tap in taps)


def test_other_images_and_another_precision_are_other_questions(teacher, tmp_path):
    images = torch.randn(2, 3, 64, 64)
    frozen = teacher()
    frozen(images)
    near = images.clone()
    near[0, 0, 0, 0] += 1e-6
    frozen(near)
    assert len(files(tmp_path)) == 2
    with torch.autocast('cpu', dtype=torch.bfloat16):
        frozen(images)
    assert len(files(tmp_path)) == 3


def test_a_view_is_saved_without_what_it_was_cut_from(tmp_path):
    tap = Tap.parse('layer')
    store = FeatureStore(tmp_path / 'store', [tap], '')
    got = store(torch.zeros(1), lambda images: {tap: torch.zeros(1000, 1000)[:, :2]})
    (file,) = files(tmp_path)
    assert file.stat().st_size < 20_000
    assert store(torch.zeros(1), no_forward)[tap].stride() == got[tap].stride()


def test_a_damaged_file_is_said_and_made_anew(teacher, tmp_path, said):
    images = torch.randn(2, 3, 64, 64)
    want = teacher()(images)
    (file,) = files(tmp_path)
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1  # inside the numbers: the archive stays readable
    holes = whole[: len(whole) // 2] + bytes(512) + whole[len(whole) // 2 + 512 :]
    other = io.BytesIO()
    torch.save([1, 2], other)
    for damage in (b'', whole[: len(whole) // 2], b'no archive', flipped, holes, other.getvalue()):
        file.write_bytes(damage)
        got = teacher()(images)
        assert 'damaged' in said.text
        mended = teacher()
        mended.model.forward = no_forward
        for features in (got, mended(images)):
            assert all(torch.equal(features[tap], want[tap]) for tap in TAPS)
        said.clear()
    assert not list((tmp_path / 'store').glob('*.part'))


def test_a_folder_that_takes_nothing_costs_no_run(teacher, tmp_path, said):
    frozen, images = teacher(), torch.randn(2, 3, 64, 64)
    want = teacher(store=None)(images)
    (tmp_path / 'store').rmdir()
    for _ in range(2):
        got = frozen(images)
        assert all(torch.equal(got[tap], want[tap]) for tap in TAPS)
    assert said.text.count('No more features are written') == 1


def test_it_says_how_many_were_read(teacher, said):
    frozen, images = teacher(), torch.randn(2, 3, 64, 64)
    for _ in range(10):
        frozen(images)
    assert '0 of 1 batches were read' in said.text
    assert '9 of 10 batches were read' in said.text
    assert said.text.count('batches were read') == 2


def test_what_str_does_not_show_is_another_question(teacher, pspnet, tmp_path):
    images = torch.randn(2, 3, 64, 64)
    for source in ('dict(out_indices=(0, 1))', 'dict(out_indices=(2, 3))'):
        run = TeacherOptions(store=str(tmp_path / 'store'))
        model = copy.deepcopy(pspnet)
        FrozenTeacher(model, TAPS, None, run=run, size=(64, 64), source=source)(images)
    assert len(files(tmp_path)) == 2
    frozen = teacher()
    frozen(images)
    frozen.apply(lambda tensor: tensor * 1.001)
    want = teacher(store=None)
    want.apply(lambda tensor: tensor * 1.001)
    got = frozen(images)
    assert len(files(tmp_path)) == 4
    assert all(torch.equal(got[tap], feature) for tap, feature in want(images).items())

"""The teacher gets the pixels that its own preprocessor would have made."""

import pytest
import torch
from mmpretrain.models import ClsDataPreprocessor
from mmseg.models import SegDataPreProcessor
from torch import nn
from torch.profiler import profile

from ickd_mm.teachers.normalization import make_renormalizer

IMAGENET = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
HALF = dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5])

SEG = [
    SegDataPreProcessor(**IMAGENET, bgr_to_rgb=True, size=(8, 8)),
    SegDataPreProcessor(**HALF, bgr_to_rgb=True, size=(8, 8)),
    SegDataPreProcessor(**IMAGENET, bgr_to_rgb=False, size=(8, 8)),
    SegDataPreProcessor(size=(8, 8)),
    ClsDataPreprocessor(**IMAGENET, to_rgb=True),
    ClsDataPreprocessor(mean=[0.0], std=[255.0], to_rgb=False),
]


def model(preprocessor, channels=3):
    made = nn.Sequential(nn.Conv2d(channels, 1, 1))
    made.data_preprocessor = preprocessor
    return made


def prepared(preprocessor, pixels):
    from mmseg.structures import SegDataSample

    if isinstance(preprocessor, ClsDataPreprocessor):
        return preprocessor(dict(inputs=pixels))['inputs']
    data = dict(inputs=list(pixels), data_samples=[SegDataSample() for _ in pixels])
    return preprocessor(data, training=True)['inputs']


@pytest.mark.parametrize('student', SEG)
@pytest.mark.parametrize('teacher', SEG)
def test_every_combination(student, teacher):
    pixels = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    ours, theirs = prepared(student, pixels), prepared(teacher, pixels)
    renormalize = make_renormalizer(model(student), model(teacher))
    made = ours if renormalize is None else renormalize(ours)
    torch.testing.assert_close(made, theirs, rtol=1e-4, atol=1e-4)


def test_nothing_is_done_where_they_agree():
    assert make_renormalizer(model(SEG[0]), model(SEG[4])) is None
    assert make_renormalizer(model(SEG[0]), model(SEG[1])) is not None


def test_the_constants_are_moved_once():
    """On a GPU each move would make the CPU wait, in every step."""
    renormalize = make_renormalizer(model(SEG[0]), model(SEG[1]))
    images = torch.rand(1, 3, 8, 8, dtype=torch.float64)

    def moves():
        with profile() as seen:
            renormalize(images)
        return sum(event.count for event in seen.key_averages() if event.key == 'aten::_to_copy')

    assert [moves(), moves()] == [2, 0]


def test_images_of_four_bands():
    """On stand-ins: the preprocessors of the onedl family take one or three means."""

    class Four(nn.Module):
        def __init__(self, normalises):
            super().__init__()
            self._enable_normalize = normalises
            self.mean = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(-1, 1, 1)
            self.std = torch.tensor([5.0, 6.0, 7.0, 8.0]).view(-1, 1, 1)

    ours, plain = Four(True), Four(False)
    assert make_renormalizer(model(ours, 4), model(Four(True), 4)) is None
    pixels = torch.randint(0, 256, (2, 4, 8, 8)).float()
    back = make_renormalizer(model(ours, 4), model(plain, 4))((pixels - ours.mean) / ours.std)
    torch.testing.assert_close(back, pixels, rtol=1e-4, atol=1e-4)


GRAY = SegDataPreProcessor(mean=[116.0], std=[57.0], size=(8, 8))


@pytest.mark.parametrize('student', [GRAY, SegDataPreProcessor(size=(8, 8))])
@pytest.mark.parametrize('teacher', [SEG[0], SEG[2], SEG[3]])
def test_gray_images_are_repeated_for_a_teacher_of_three_channels(student, teacher):
    pixels = torch.randint(0, 256, (2, 1, 8, 8), dtype=torch.uint8)
    made = make_renormalizer(model(student, 1), model(teacher))(prepared(student, pixels))
    theirs = prepared(teacher, pixels.expand(-1, 3, -1, -1))
    torch.testing.assert_close(made, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('channels', [(3, 1), (4, 3), (1, 4)])
def test_other_channels_are_refused(channels):
    message = (
        f'the student takes images of {channels[0]} channels and the teacher of {channels[1]}, .*'
        f'choose a teacher that .* or set in_channels={channels[1]} in the student, data_prep'
    )
    with pytest.raises(ValueError, match=message):
        make_renormalizer(*(model(nn.Identity(), count) for count in channels))

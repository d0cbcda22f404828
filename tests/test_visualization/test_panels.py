"""The distance in the title is the loss's own; a student without a connector has none."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from ickd_mm.losses import ICKDLoss, MSELoss
from ickd_mm.visualization.figures import as_array, draw, write_png
from ickd_mm.visualization.panels import PairView


def pair_of(loss, connector=None):
    tap = SimpleNamespace(path='backbone.layer4')
    return SimpleNamespace(
        name='loss_icc', loss=loss, student=tap, teacher=tap, connector=connector
    )


def rows(x, grid, center):
    """Unit rows of F Fᵀ of every cell, in float64."""
    for band in np.array_split(x.double().numpy()[0], grid[0], 1):
        for cell in np.array_split(band, grid[1], 2):
            f = cell.reshape(len(cell), -1)
            f = f - f.mean(1, keepdims=True) if center else f
            gram = f @ f.T
            yield gram / np.linalg.norm(gram, axis=1, keepdims=True)


@pytest.mark.parametrize('center', [False, True])
def test_the_distance_is_one_minus_the_mean_cosine_between_rows(center):
    torch.manual_seed(0)
    teacher = [torch.rand(1, 6, 8, 8) for _ in range(2)]
    student = [torch.randn(1, 6, 5, 7) for _ in range(2)]
    grid, loss = (2, 3), ICKDLoss(grid=(2, 3), center=center, loss_weight=7.0)
    panel = PairView(pair_of(loss), teacher).student('student', student)
    for s, t, found in zip(student, teacher, panel.distances):
        both = zip(rows(s, grid, center), rows(t, grid, center))
        want = 1 - np.mean([(a * b).sum(1).mean() for a, b in both])
        assert found == pytest.approx(want, abs=1e-5)
        assert loss(s, t).item() == pytest.approx(7 * 2 * want, rel=1e-4)


def test_a_teacher_is_at_distance_0_of_itself_and_center_can_be_asked_for():
    teacher = [torch.rand(1, 6, 8, 8)]
    for center in (None, True):
        view = PairView(pair_of(MSELoss()), teacher, center)
        assert view.center == bool(center)
        assert view.grid == (1, 1)
        same = view.student('copy', teacher)
        assert same.distances == (pytest.approx(0, abs=1e-6),)
        np.testing.assert_array_equal(same.mosaics, view.teacher.mosaics)


def test_without_a_connector_channels_have_an_order_of_their_own_and_no_distance():
    teacher, student = [torch.rand(1, 6, 8, 8)], [torch.rand(1, 4, 8, 8)]
    view = PairView(pair_of(ICKDLoss(), connector=torch.nn.Identity()), teacher)
    bare, few = view.student('bare', teacher, ready=False), view.student('few', student)
    assert bare.distances == few.distances == ()
    assert bare.about == 'backbone.layer4, without a connector'
    assert few.channels == 4


def test_a_grid_of_many_cells_is_drawn_as_its_mean():
    view = PairView(pair_of(ICKDLoss(grid=9)), [torch.rand(1, 6, 18, 18)])
    assert view.teacher.mosaics.shape == (1, 6, 6)


def test_a_picture_of_512_channels_takes_under_two_seconds(tmp_path):
    torch.manual_seed(0)
    teacher, student = [torch.rand(1, 512, 32, 32)], [torch.randn(1, 512, 32, 32)]
    times = []
    for _ in range(3):
        began = time.process_time()
        view = PairView(pair_of(ICKDLoss()), teacher)
        panels = [view.teacher, view.student('student', student)]
        write_png(draw(view, panels, [np.zeros((32, 32, 3))], 'heading'), tmp_path / 'a.png')
        times.append(time.process_time() - began)
    assert min(times) < 2


def test_a_written_picture_is_the_drawn_one(tmp_path):
    view = PairView(pair_of(ICKDLoss()), [torch.rand(1, 6, 8, 8)])
    figure = draw(view, [view.teacher], [np.zeros((8, 8, 3))], 'heading')
    as_array(figure, 110)  # matplotlib 3.9 settles its layout while it draws for the first time
    write_png(figure, tmp_path / 'a.png')
    written = np.asarray(Image.open(tmp_path / 'a.png').convert('RGB'), float)
    difference = np.abs(written - as_array(figure, 110))
    assert difference.mean() < 2
    assert difference.max() < 60


def test_what_a_picture_says():
    """Title, panels, distances, axes and the scale's meaning are all in the figure itself."""
    teacher = [torch.rand(1, 6, 8, 8) for _ in range(2)]
    view = PairView(pair_of(ICKDLoss(grid=2)), teacher)
    student = view.student('after', [torch.rand(1, 6, 8, 8) for _ in range(2)])
    images = [np.zeros((8, 8, 3))] * 2
    for only in (None, 1):
        figure = draw(view, [view.teacher, student], images, 'Which channels agree?', only)
        axes = figure.findobj(lambda artist: hasattr(artist, 'get_xlabel'))
        words = ' '.join(text.get_text() for text in figure.findobj(match=_is_text))
        distance = np.mean(student.distances) if only is None else student.distances[only]
        for said in (
            'Which channels agree?',
            'after',
            f'distance to the teacher {distance:.2f}',
            'cosine between two channels',
            '1 same places',
            '2×2 cells',
        ):
            assert said in words
        assert len(axes) == 2 + 1 + (2 if only is None else 1)


def _is_text(artist):
    return hasattr(artist, 'get_text')

"""The pairs are tried at the size of the real training images, before the first iteration."""

import pytest
from support.repository import ICKD, data_options
from support.tools import scalars, succeed, train

pytestmark = pytest.mark.slow

JOINED = f"""
_base_ = {str(ICKD)!r}
teacher_val = False
part = _base_.train_dataloader.dataset
part.pipeline = [*part.pipeline[:-1], dict(type='RandomRotFlip'), part.pipeline[-1]]
part.pipeline[3] = dict(type='RandomCrop', crop_size=(32, 32))
train_dataloader = dict(dataset=dict(_delete_=True, type='ConcatDataset', datasets=[part, part]))
model = dict(student=dict(data_preprocessor=dict(size=None, size_divisor=1)), input_size=64)
"""


@pytest.fixture
def options(digits, teacher_file, tmp_path):
    (tmp_path / 'joined.py').write_text(JOINED)
    parts = [f'train_dataloader.dataset.datasets.{n}.data_root={digits}' for n in (0, 1)]
    others = [o for o in data_options(digits) if not o.startswith('train_dataloader.dataset')]
    run = ['train_cfg.max_iters=1', 'train_cfg.val_interval=1']
    return [*parts, *others, *run, f'model.teacher_ckpt={teacher_file}']


def test_a_grid_that_is_too_fine_for_the_images_ends_the_run(options, tmp_path):
    """The config says 64x64, the two parts of the data set are cropped to 32x32."""
    config = tmp_path / 'joined.py'
    done = train(config, tmp_path / 'a', *options, 'model.pairs.loss_icc.loss.grid=9')
    assert done.returncode != 0
    assert "pairs.loss_icc: student 'backbone.layer4' (2, 64, 8, 8)" in done.stdout
    said = 'these are the shapes for images of 32x32, the size of the training images'
    assert done.stdout.rstrip().endswith(said)
    assert not scalars(tmp_path / 'a')

    done = succeed(train(config, tmp_path / 'b', *options, 'model.pairs.loss_icc.loss.grid=4'))
    assert 'Training images are 32x32; every pair fits them' in done.stdout
    assert scalars(tmp_path / 'b')[0]['loss_icc'] > 0

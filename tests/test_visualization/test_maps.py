"""The maps that are drawn are those that the pairs match, and looking at them changes nothing."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from support.repository import ICKD, REPO

from ickd_mm.commands.demo.dataset import prepare_digits
from ickd_mm.registry import MODELS
from ickd_mm.visualization.images import read_images, thumbnails
from ickd_mm.visualization.maps import prepared, student_maps, teacher_maps


@pytest.fixture
def cfg(digits):
    cfg = Config.fromfile(ICKD)
    cfg.val_dataloader.dataset.data_root = str(digits)
    return cfg


def state_of(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


def test_maps_before_training_are_those_of_the_first_step(distiller):
    """Batch norms without statistics take the images' own, as in training mode."""
    images, before = [torch.randn(4, 3, 64, 64)], state_of(distiller)
    distiller.train()
    found = student_maps(distiller, images)['loss_icc']
    assert all(torch.equal(before[key], value) for key, value in distiller.state_dict().items())
    assert all(module.training for module in distiller.modules())
    pair = distiller.pairs[0]
    with torch.no_grad():
        feature = distiller.student.backbone(images[0])[3]
        torch.testing.assert_close(torch.cat(found), pair.connector(feature), rtol=1e-3, atol=1e-4)


def test_maps_of_a_trained_student_are_those_of_eval_mode(distiller):
    images, pair = torch.randn(2, 3, 64, 64), distiller.pairs[0]
    for module in distiller.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
    distiller.eval()
    with torch.no_grad():
        feature = distiller.student.backbone(images)[3]
        wanted = distiller.teacher(images)[pair.teacher]
    found = student_maps(distiller, list(images.split(1)))['loss_icc']
    torch.testing.assert_close(torch.cat(found), pair.connector(feature), rtol=1e-4, atol=1e-5)
    bare = student_maps(distiller, [images], {'loss_icc'})['loss_icc']
    torch.testing.assert_close(torch.cat(bare), feature)
    torch.testing.assert_close(torch.cat(teacher_maps(distiller, [images])['loss_icc']), wanted)


def test_files_and_numbers_give_the_same_images(distiller, cfg, digits):
    first = (digits / 'ImageSets/Segmentation/val.txt').read_text().split()[0]
    file = digits / f'JPEGImages/{first}.jpg'
    names, batches = read_images(cfg, [str(file), 0, '1'])
    assert names == [file.name, 'validation image 0', 'validation image 1']
    (images,) = prepared(distiller, batches)
    assert images.shape == (3, 3, 64, 64)
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[1], images[2])
    shown = thumbnails(images, distiller.data_preprocessor)
    assert [picture.shape for picture in shown] == [(64, 64, 3)] * 3
    assert all(picture.min() == 0 and picture.max() == 1 for picture in shown)


@pytest.mark.slow
def test_a_classifiers_images_with_and_without_a_label(tmp_path):
    cfg = Config.fromfile(REPO / 'configs/ickd/resnet_digits.py')
    prepare_digits(tmp_path, train=4, val=2, seed=3)
    cfg.val_dataloader.dataset.data_root = str(tmp_path / 'imagenet')
    file = sorted((tmp_path / 'imagenet/val').rglob('*.png'))[0]
    init_default_scope('mmpretrain')
    _, batches = read_images(cfg, [0, str(file)])
    preprocessor = MODELS.build(cfg.model.student.data_preprocessor)
    images = preprocessor(batches[0], False)['inputs']
    assert torch.equal(images[0], images[1])


@pytest.mark.parametrize(
    ('images', 'error', 'message'),
    [
        ([], ValueError, 'images is empty'),
        ([6], ValueError, 'no sample 6, the validation set has 6'),
        (['-1'], FileNotFoundError, "no file '-1'"),
        (['absent.jpg'], FileNotFoundError, "no file 'absent.jpg'"),
    ],
)
def test_images_that_are_not_there(scope, cfg, images, error, message):
    with pytest.raises(error, match=message):
        read_images(cfg, images)


def test_data_that_are_not_files(scope, cfg, digits):
    cfg.val_dataloader.dataset.pipeline = cfg.val_dataloader.dataset.pipeline[1:]
    file = next((digits / 'JPEGImages').iterdir())
    with pytest.raises(ValueError, match='not read from image files'):
        read_images(cfg, [str(file)])
    cfg.pop('val_dataloader'), cfg.pop('test_dataloader')
    with pytest.raises(ValueError, match='no val_dataloader or test_dataloader'):
        read_images(cfg, [0])

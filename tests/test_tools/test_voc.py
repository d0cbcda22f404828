"""The VOC recipe on a tiny folder in VOC layout, the teacher's weights from all three places."""

import http.server
import shutil
import threading

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import init_default_scope
from PIL import Image
from support.repository import REPO
from support.tools import load, run_tool, scalars, succeed, train

from ickd_mm.registry import MODELS

pytestmark = pytest.mark.slow

CONFIG = REPO / 'configs/ickd/pspnet_r101_r18_voc.py'


@pytest.fixture(scope='module')
def voc(tmp_path_factory):
    """Four random images with labels, laid out as VOC 2012 aug."""
    root = tmp_path_factory.mktemp('voc')
    rng = np.random.default_rng(0)
    for folder in ('JPEGImages', 'SegmentationClass', 'SegmentationClassAug'):
        (root / folder).mkdir()
    for n in range(4):
        Image.fromarray(rng.integers(0, 256, (80, 90, 3), np.uint8)).save(
            root / f'JPEGImages/2007_{n}.jpg'
        )
        labels = Image.fromarray(rng.integers(0, 21, (80, 90), np.uint8))
        labels.save(root / f'SegmentationClass/2007_{n}.png')
        labels.save(root / f'SegmentationClassAug/2007_{n}.png')
    lists = root / 'ImageSets/Segmentation'
    lists.mkdir(parents=True)
    for name, members in dict(train=(0, 1), aug=(2,), val=(3,)).items():
        (lists / f'{name}.txt').write_text(''.join(f'2007_{n}\n' for n in members))
    return root


@pytest.fixture(scope='module')
def r101(tmp_path_factory):
    """Random weights of the R101 teacher, named as the zoo names them."""
    init_default_scope('mmseg')
    cfg = Config.fromfile(CONFIG)
    name = cfg.model.teacher
    teacher = MODELS.build(get_config(name).model)
    url = get_config(name, pretrained=True).model_path
    file = tmp_path_factory.mktemp('zoo') / url.rsplit('/', 1)[1]
    torch.save(dict(meta={}, state_dict=teacher.state_dict()), file)
    return file


def options(voc):
    small = []
    for n in (0, 1):
        key = f'train_dataloader.dataset.datasets.{n}.pipeline'
        small += [f'{key}.2.scale=(96,64)', f'{key}.3.crop_size=(64,64)', f'{key}.6.size=(64,64)']
    return [
        *small,
        'model.student.data_preprocessor.size=(64,64)',
        'model.student.pretrained=None',
        'train_dataloader.batch_size=4',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
        'val_dataloader.num_workers=0',
        'val_dataloader.persistent_workers=False',
        'val_dataloader.dataset.pipeline.1.scale=(96,64)',
        'train_cfg.max_iters=1',
        'default_hooks.logger.interval=1',
        'env_cfg.dist_cfg.backend=gloo',
    ]


def check(done, folder):
    succeed(done)
    (step,) = [s for s in scalars(folder) if 'loss_icc' in s]
    assert step['loss_icc'] > 0
    assert not any('teacher' in key for key in load(folder / 'iter_1.pth')['state_dict'])


def run(folder, voc, ckpt, **kwargs):
    values = [*options(voc), f'model.teacher_ckpt={ckpt}']
    return train(CONFIG, folder, *values, flags=['--data-root', voc], **kwargs)


def test_weights_from_a_file_then_test_time_augmentation(voc, r101, tmp_path):
    check(run(tmp_path, voc, r101), tmp_path)
    values = [value for value in options(voc) if value.startswith(('model', 'env'))]
    loader = [f'test_dataloader.{key}' for key in ('num_workers=0', 'persistent_workers=False')]
    flags = ('--tta', '--data-root', voc, '--work-dir', tmp_path / 'test')
    args = (CONFIG, tmp_path / 'iter_1.pth', *flags, '--cfg-options', *values, *loader)
    done = succeed(run_tool(REPO / 'tools/test.py', *args))
    assert 'mIoU' in done.stdout + done.stderr
    assert r101.name not in done.stdout + done.stderr


def test_weights_from_a_url(voc, r101, tmp_path):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(r101.parent))

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f'http://127.0.0.1:{server.server_port}/{r101.name}'
    try:
        env = dict(TORCH_HOME=str(tmp_path / 'home'), no_proxy='127.0.0.1')
        check(run(tmp_path, voc, url, env=env), tmp_path)
    finally:
        server.shutdown()
    assert (tmp_path / 'home/hub/checkpoints' / r101.name).is_file()


def test_weights_from_the_zoo_and_a_folder_without_sbd(voc, r101, tmp_path):
    """The zoo's file lies in torch's cache already; what is tested is that it is the one."""
    cache = tmp_path / 'home/hub/checkpoints'
    cache.mkdir(parents=True)
    shutil.copy(r101, cache)
    root = tmp_path / 'voc'
    shutil.copytree(voc, root)
    (root / 'ImageSets/Segmentation/aug.txt').unlink()
    shutil.rmtree(root / 'SegmentationClassAug')
    done = run(tmp_path / 'run', root, 'zoo', env=dict(TORCH_HOME=str(tmp_path / 'home')))
    check(done, tmp_path / 'run')
    assert 'No ImageSets/Segmentation/aug.txt: training continues without' in done.stdout


def test_a_folder_that_is_not_there(tmp_path):
    done = train(CONFIG, tmp_path, *options(tmp_path), flags=['--data-root', 'no/voc'])
    assert done.returncode != 0
    assert "'no/voc'" in done.stderr
    assert 'docs/data.md' in done.stderr

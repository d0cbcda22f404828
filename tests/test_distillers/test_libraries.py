"""Students and teachers of different libraries: every pair trains."""

import copy

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from support.libraries import CLASSIFIER, RETINANET, SEGMENTER, TIMM_CLASSIFIER, bare
from support.libraries import TEACHERS as BY_TOOLS
from support.models import VIT, batch

from ickd_mm.commands.benchmark.batches import random_batch
from ickd_mm.preflight.model_source import read_student, read_teacher, teacher_config
from ickd_mm.registry import MODELS

PREPROCESSOR = dict(
    data_preprocessor=dict(mean=[0.0] * 3, std=[255.0] * 3, num_classes=10, to_rgb=True)
)
CLASSIFIER = {**CLASSIFIER, **PREPROCESSOR}
TRANSFORMER = dict(VIT['backbone'], type='mmpretrain.VisionTransformer')
TIMM = dict(type='mmpretrain.TIMMBackbone', model_name='resnet18', features_only=True)
HUGGING_FACE = dict(type='mmpretrain.HuggingFaceClassifier', model_name='', pretrained=False)
STUDENTS = {
    'mmseg': ('mmseg', SEGMENTER, 'backbone.layer4'),
    'mmpretrain': ('mmpretrain', CLASSIFIER, 'backbone.layer4'),
    'mmpretrain in a config of mmseg': ('mmseg', CLASSIFIER, 'backbone.layer4'),
    'timm': ('mmpretrain', TIMM_CLASSIFIER | PREPROCESSOR, 'model.layer4'),
    'Hugging Face': ('mmpretrain', HUGGING_FACE | PREPROCESSOR, 'model.resnet.encoder.stages.1'),
    'mmdet': ('mmdet', RETINANET, 'backbone.layer4'),
}


@pytest.fixture(scope='session')
def hugging_face(tmp_path_factory):
    """A folder with the config of a small ResNet of Hugging Face's library."""
    transformers = pytest.importorskip('transformers')
    folder = tmp_path_factory.mktemp('hugging_face')
    sizes = dict(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type='basic')
    transformers.ResNetConfig(num_labels=10, **sizes).save_pretrained(folder)
    return str(folder)


TEACHERS = {
    **BY_TOOLS,
    'mmpretrain, a transformer': (bare(VIT), 'backbone[0]'),
    'a backbone of mmseg': (dict(SEGMENTER.backbone, _scope_='mmseg'), 'backbone[3]'),
    'a backbone of mmpretrain': (TRANSFORMER, 'backbone[0]'),
    'a backbone of timm': (TIMM, 'backbone[4]'),
    'Hugging Face': (HUGGING_FACE, 'model.resnet.encoder.stages.1'),
}
# tests/test_configs/test_whole_runs.py has the others.
PAIRS = [(s, t) for s in STUDENTS for t in TEACHERS if not (s in BY_TOOLS and t in BY_TOOLS)]


def labelled(student):
    if student is SEGMENTER:
        return batch()
    if student is RETINANET:
        return random_batch(Config(dict(model=student)), 2, (64, 64))
    from mmpretrain.structures import DataSample

    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    return dict(inputs=images, data_samples=[DataSample().set_gt_label(n) for n in range(2)])


def build(scope, student, ours, teacher, theirs, folder, **more):
    """Write the teacher's own file, and build the distiller in a config's default scope."""
    init_default_scope(scope)
    model = ConfigDict(student=copy.deepcopy(student), teacher=copy.deepcopy(teacher))
    model.type = 'ickd_mm.FeatureDistiller'
    source = read_teacher(model, read_student(model)).build('teacher')
    alone = source.backbone if type(source).__name__ == 'BackboneTeacher' else source
    torch.save(alone.state_dict(), folder / 'teacher.pth')
    pair = dict(student=ours, teacher=theirs, connector=dict(type='ickd_mm.ConvConnector'))
    pair['loss'] = dict(type='ickd_mm.ICKDLoss')
    model.update(teacher_ckpt=str(folder / 'teacher.pth'), pairs=dict(loss_icc=pair), **more)
    model.setdefault('input_size', 64)
    alone.eval()  # a backbone's own returns nothing
    return MODELS.build(model), alone


@pytest.mark.slow
@pytest.mark.parametrize(('student', 'teacher'), PAIRS)
def test_two_iterations(student, teacher, tmp_path, request):
    """The teacher is a dict without a preprocessor, so that it gets the student's."""
    student, teacher = STUDENTS[student], TEACHERS[teacher]
    if 'timm' in f'{student} {teacher}'.lower():
        pytest.importorskip('timm')
    if 'RetinaNet' in f'{student} {teacher}':
        pytest.importorskip('mmdet', reason='mmdet is not installed: it comes with STACK=onedl')
    scope, plain, tap = student
    for model in (plain, teacher[0]):
        if model['type'] == HUGGING_FACE['type']:
            model['model_name'] = request.getfixturevalue('hugging_face')
    torch.manual_seed(0)
    model, _ = build(scope, plain, tap, *teacher, tmp_path)
    model.train()
    weight = next(model.get_submodule(tap).parameters())
    before = weight.clone()
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.01))
    for _ in range(2):
        logs = model.train_step(labelled(plain), wrapper)
    assert all(0 < value < float('inf') for value in logs.values())
    assert not torch.equal(weight, before)
    ours, theirs = model.data_preprocessor, model.teacher.model.data_preprocessor
    assert torch.equal(ours.mean, theirs.mean)
    assert model.teacher.renormalize is None


def test_a_backbone_has_the_students_normalisation_or_its_own(tmp_path):
    init_default_scope('mmseg')
    arguments = ('mmseg', SEGMENTER, 'backbone.layer4')
    images = torch.randn(2, 3, 64, 64)
    model, alone = build(*arguments, TRANSFORMER, 'backbone[0]', tmp_path)
    (feature,) = model.teacher(images).values()
    torch.testing.assert_close(feature, alone(images)[0], rtol=1e-4, atol=1e-4)

    own = dict(mean=[10.0, 20.0, 30.0], std=[50.0, 60.0, 70.0], bgr_to_rgb=True)
    cfg = dict(TRANSFORMER, data_preprocessor=own)
    model, alone = build(*arguments, cfg, 'backbone[0]', tmp_path)
    (feature,) = model.teacher(images).values()
    ours = SEGMENTER.data_preprocessor
    scaled = [
        (images[:, c] * ours.std[c] + ours.mean[c] - own['mean'][c]) / own['std'][c]
        for c in range(3)
    ]
    want = alone(torch.stack(scaled, 1))[0]
    torch.testing.assert_close(feature, want, rtol=1e-4, atol=1e-4)


def test_a_config_file_of_a_backbone_alone(tmp_path):
    init_default_scope('mmseg')
    file = tmp_path / 'backbone.py'
    file.write_text(f'model = {TRANSFORMER!r}\n')
    model = ConfigDict(type='ickd_mm.FeatureDistiller', student=SEGMENTER, teacher=str(file))
    teacher = read_teacher(model, read_student(model)).build('teacher')
    assert type(teacher.backbone).__name__ == 'VisionTransformer'
    assert teacher.data_preprocessor.mean.flatten().tolist() == pytest.approx(
        SEGMENTER.data_preprocessor.mean
    )
    with pytest.raises(ValueError, match=r'a backbone alone \(VisionTransformer\): .*teacher_val'):
        teacher(torch.randn(1, 3, 64, 64), mode='predict')
    model.teacher_ckpt = str(file)
    plain, _ = teacher_config(model, scope='mmseg')
    assert plain.type == 'ickd_mm.BackboneTeacher'


@pytest.mark.parametrize('size', [32, (64, 96)])
def test_a_teacher_of_its_own_image_size(size, tmp_path):
    arguments = ('mmseg', SEGMENTER, 'backbone.layer4', TRANSFORMER, 'backbone[0]', tmp_path)
    model, alone = build(*arguments, teacher_run=dict(size=size))
    height, width = (size, size) if isinstance(size, int) else size
    said = f", on images of {height}x{width}, resized from the student's"
    assert model.summary().splitlines()[0].endswith(said)
    images = torch.randn(2, 3, 64, 64)
    resized = torch.nn.functional.interpolate(
        images, (height, width), mode='bilinear', antialias=True
    )
    (feature,) = model.teacher(images).values()
    assert feature.shape[2:] == (height // 32, width // 32)
    torch.testing.assert_close(feature, alone(resized)[0], rtol=1e-4, atol=1e-4)
    model.check_training((96, 96))
    assert model._shapes['loss_icc'][1][2:] == feature.shape[2:]

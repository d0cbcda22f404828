"""Models that the package was not written for."""

import pytest
import torch
from support.models import VIT, batch
from support.pairing import CLASSIFIER, build, losses_of

pytestmark = pytest.mark.slow

PREPROCESSOR = dict(
    type='SegDataPreProcessor', mean=[0.0], std=[255.0], bgr_to_rgb=True, size=(56, 72)
)


def fcn(in_channels):
    return dict(
        type='FCNHead', in_channels=in_channels, in_index=-1, channels=8, num_convs=1, num_classes=5
    )


SWIN = dict(
    type='EncoderDecoder',
    data_preprocessor=PREPROCESSOR,
    backbone=dict(type='SwinTransformer', embed_dims=24, depths=(1, 1, 1, 1), window_size=4,
                  num_heads=(1, 2, 4, 8), out_indices=(0, 1, 2, 3)),
    decode_head=fcn(192),
)  # fmt: skip
SEGFORMER = dict(
    type='EncoderDecoder',
    data_preprocessor=PREPROCESSOR,
    backbone=dict(type='MixVisionTransformer', embed_dims=8, num_layers=[1, 1, 1, 1],
                  num_heads=[1, 2, 4, 8]),
    decode_head=dict(type='SegformerHead', in_channels=[8, 16, 32, 64], in_index=[0, 1, 2, 3],
                     channels=16, num_classes=5),
)  # fmt: skip
DEEPLAB = dict(
    type='EncoderDecoder',
    data_preprocessor=PREPROCESSOR,
    backbone=dict(type='ResNetV1c', depth=18, base_channels=4, stem_channels=4,
                  strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)),
    decode_head=dict(type='DepthwiseSeparableASPPHead', in_channels=32, in_index=3, channels=8,
                     dilations=(1, 12), c1_in_channels=4, c1_channels=4, num_classes=5),
    auxiliary_head=fcn(16) | dict(in_index=2),
)  # fmt: skip
MOBILENET = dict(
    type='EncoderDecoder',
    data_preprocessor=PREPROCESSOR,
    backbone=dict(type='MobileNetV2', widen_factor=0.25, out_indices=(1, 3, 6)),
    decode_head=fcn(80),
)
PAIRINGS = {
    'transformer teacher, stride 32 to 8': (DEEPLAB, 'backbone.layer4', SWIN, 'backbone[3]'),
    'head of several inputs': (SEGFORMER, 'backbone[2]', DEEPLAB, 'backbone.layer4'),
    'transformer student, cnn teacher': (SWIN, 'backbone[2]', MOBILENET, 'backbone[-1]'),
    'inside the head': (DEEPLAB, 'decode_head.bottleneck', SEGFORMER, 'decode_head.fusion_conv'),
    'classifiers, tuple output': (CLASSIFIER, 'backbone[0]', VIT, 'backbone[0]'),
}


@pytest.mark.parametrize('pairing', PAIRINGS.values(), ids=PAIRINGS)
def test_a_training_step(pairing, scope, tmp_path):
    model = build(*pairing, tmp_path)
    model.init_weights()
    losses = losses_of(model)
    assert torch.isfinite(losses['loss_icc'])
    assert losses['loss_icc'] > 0
    losses['loss_icc'].backward()
    assert all(p.grad is not None for p in model.connectors.parameters())
    assert any(p.grad is not None and p.grad.any() for p in model.student.parameters())


def test_tokens_are_no_map(scope, tmp_path):
    with pytest.raises(ValueError, match=r"'backbone.layers.1' must give an \(N, C, H, W\) tensor"):
        build(CLASSIFIER, 'backbone[0]', VIT, 'backbone.layers.1', tmp_path)


def test_a_grid_that_divides_no_side(scope, tmp_path):
    model = build(*PAIRINGS['head of several inputs'], tmp_path, grid=(2, 3))
    assert torch.isfinite(losses_of(model)['loss_icc'])


def deeplab(channels):
    """Without means: the first convolution tells the images' channels."""
    backbone = dict(DEEPLAB['backbone'], in_channels=channels)
    preprocessor = dict(type='SegDataPreProcessor', size=(56, 72))
    return dict(DEEPLAB, data_preprocessor=preprocessor, backbone=backbone)


@pytest.mark.parametrize(('ours', 'theirs'), [(4, 4), (1, 3), (1, 1)])
def test_images_of_other_than_three_channels(ours, theirs, scope, tmp_path):
    taps = ('backbone.layer4', 'backbone.layer4')
    model = build(deeplab(ours), taps[0], deeplab(theirs), taps[1], tmp_path)
    data = batch(size=56, classes=5)
    data['inputs'] = [torch.randint(0, 256, (ours, 56, 56)) for _ in data['inputs']]
    data = model.data_preprocessor(data, training=True)
    assert torch.isfinite(model.train()(**data, mode='loss')['loss_icc'])


@pytest.mark.parametrize('teacher', [deeplab(1), deeplab(4)])
def test_a_teacher_of_other_images_is_refused(teacher, scope, tmp_path):
    message = r'student takes images of 3 channels and the teacher of [14], and both get the same'
    with pytest.raises(ValueError, match=message):
        build(DEEPLAB, 'backbone.layer4', teacher, 'backbone.layer4', tmp_path)


def test_a_map_that_turns_out_too_small_is_named_with_its_pair(scope, tmp_path):
    model = build(*PAIRINGS['classifiers, tuple output'], tmp_path, grid=7)
    from mmpretrain.structures import DataSample

    samples = [DataSample().set_gt_label(i) for i in range(2)]
    data = dict(inputs=torch.rand(2, 3, 96, 96), data_samples=samples)
    with pytest.raises(ValueError, match=r'pairs.loss_icc: student .*must not be finer'):
        model.train()(**data, mode='loss')

"""A student that is trained by its pairs alone, without labels."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.optim import build_optim_wrapper
from support.models import batch
from support.repository import model_config

from ickd_mm.features.taps import TapError
from ickd_mm.registry import MODELS
from ickd_mm.wrappers import unwrapped

pytestmark = pytest.mark.slow

PREPROCESSOR = model_config('pspnet_student_digits').data_preprocessor
HRNET = dict(
    type='EncoderDecoder',
    data_preprocessor=PREPROCESSOR,
    backbone=dict(
        type='HRNet',
        extra=dict(
            stage1=dict(num_modules=1, num_branches=1, block='BOTTLENECK', num_blocks=(1,),
                        num_channels=(8,)),
            stage2=dict(num_modules=1, num_branches=2, block='BASIC', num_blocks=(1, 1),
                        num_channels=(4, 8)),
            stage3=dict(num_modules=1, num_branches=3, block='BASIC', num_blocks=(1, 1, 1),
                        num_channels=(4, 8, 16)),
            stage4=dict(num_modules=1, num_branches=4, block='BASIC', num_blocks=(1, 1, 1, 1),
                        num_channels=(4, 8, 16, 32)),
        ),
    ),
    decode_head=dict(type='FCNHead', in_channels=4, in_index=0, channels=8, num_classes=11),
)  # fmt: skip


def unlabelled(n=2):
    """A batch as a data set without annotations gives it."""
    data = batch(n)
    for sample in data['data_samples']:
        del sample.gt_sem_seg
    return data


def build(cfg, tap='backbone.layer4', **more):
    cfg.supervised = False
    cfg.pairs.loss_icc.student = tap
    for key, value in more.items():
        cfg[key] = value
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    return model.train()


def backward(model):
    losses = model(**model.data_preprocessor(unlabelled(), training=True), mode='loss')
    model.parse_losses(losses)[0].backward()
    return losses


def trained(model):
    """Names of the student's parameters that want a gradient, and of those that got one."""
    named = dict(model.student.named_parameters())
    want = {name for name, p in named.items() if p.requires_grad}
    return want, {name for name, p in named.items() if p.grad is not None}


def heads(model, *parts):
    return {name for name, _ in model.student.named_parameters() if name.startswith(parts)}


def test_the_student_runs_and_is_trained_up_to_its_last_tap(distiller_cfg, scope):
    model = build(distiller_cfg)
    ran = []
    for name, module in model.student.named_modules():
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
    losses = backward(model)
    assert set(losses) == {'loss_icc'}
    assert ran[-1] == 'backbone.layer4'
    want, got = trained(model)
    assert want == got == heads(model, 'backbone.')

    twin = build(distiller_cfg)
    feature = twin.backbone(twin.data_preprocessor(unlabelled(), True)['inputs'])[3]
    images = model.data_preprocessor(unlabelled(), True)['inputs']
    (pair,), (theirs,) = twin.pairs, twin.teacher(images).values()
    torch.testing.assert_close(losses['loss_icc'], pair(feature, theirs), rtol=0, atol=0)


def test_what_no_tap_needs_keeps_its_weights_in_an_optimizer_that_decays_all(distiller_cfg, scope):
    model = build(distiller_cfg)
    for parameter in model.parameters():
        parameter.data += 0.01  # else zero weights in batch norms hold back gradients
    optimizer = dict(type='AdamW', lr=0.1, weight_decay=0.5)
    rates = dict(custom_keys={'decode_head': dict(lr_mult=10)})
    for paramwise in (None, rates):
        wrapper = build_optim_wrapper(
            model, ConfigDict(optimizer=optimizer, paramwise_cfg=paramwise)
        )
        before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
        model.train_step(unlabelled(), wrapper)
        after = model.state_dict()
        same = {key for key in before if torch.equal(before[key], after[key])}
        assert same == {key for key in before if key.startswith('decode_head')}
        assert len(wrapper.optimizer.state) == len(trained(model)[0]) + 3  # the connector's


def test_a_branch_beside_the_tap_is_not_trained(distiller_cfg, scope):
    """HRNet's last fusion gives four maps: each of its weights belongs to one of them."""
    model = build(distiller_cfg, 'backbone[0]', student=ConfigDict(HRNET))
    backward(model)
    want, got = trained(model)
    assert want == got
    last = 'backbone.stage4.0.fuse_layers.'
    idle = heads(model, 'backbone.') - want
    assert {name.removeprefix(last)[0] for name in idle if name.startswith(last)} == {'1', '2', '3'}
    assert heads(model, f'{last}0.') <= want


@pytest.mark.parametrize('with_cp', [False, True])
def test_parameters_inside_a_checkpoint_are_trained(distiller_cfg, scope, with_cp):
    distiller_cfg.student.backbone.with_cp = with_cp
    model = build(distiller_cfg, 'decode_head.bottleneck')
    backward(model)
    want, got = trained(model)
    assert want == got == heads(model, '') - heads(model, 'decode_head.conv_seg')


def test_two_taps_of_which_one_is_changed_in_place_before_the_other(distiller_cfg, scope):
    distiller_cfg.pairs.loss_early = dict(distiller_cfg.pairs.loss_icc, student='backbone.stem.4')
    model = build(distiller_cfg)  # its ReLU works in place
    seen = []
    model.backbone.stem[4].register_forward_hook(lambda *args: seen.append(args[-1].clone()))
    losses = backward(model)
    images = model.data_preprocessor(unlabelled(), True)['inputs']
    pair = model.pairs[1]
    want = pair(seen[0], model.teacher(images)[pair.teacher])
    torch.testing.assert_close(losses['loss_early'], want, rtol=1e-5, atol=0)


def test_a_head_that_only_losses_run_cannot_be_tapped(distiller_cfg, scope):
    student = distiller_cfg.student
    student.auxiliary_head = dict(
        student.decode_head, type='FCNHead', in_channels=32, in_index=2, channels=8, num_convs=1
    )
    student.auxiliary_head.pop('pool_scales')
    tap = 'auxiliary_head.convs.0'
    message = rf"student tap '{tap}' did not run .*; without labels \(supervised=False\) the stud"
    with pytest.raises(TapError, match=message):
        build(distiller_cfg, tap)
    assert build(distiller_cfg).student.auxiliary_head.training


def test_validation_and_state_dict_are_the_plain_students(distiller_cfg, distiller, scope):
    model = build(distiller_cfg)
    assert model.state_dict().keys() == distiller.state_dict().keys()
    model.load_state_dict(distiller.state_dict())
    ours, theirs = (m.eval().val_step(batch()) for m in (model, distiller))
    for a, b in zip(ours, theirs):
        assert torch.equal(a.seg_logits.data, b.seg_logits.data)
    assert unwrapped(model).supervised is False


@pytest.mark.parametrize(
    ('change', 'error', 'message'),
    [
        (dict(pairs={}), ValueError, 'pairs is empty: nothing would be distilled'),
        (dict(supervised='no'), TypeError, "supervised must be True or False, got 'no'"),
        (dict(weight=0), ValueError, r'alone, and loss_weight is 0 in every one of them \(loss_i'),
    ],
)
def test_nothing_to_train_by_is_refused(distiller_cfg, scope, change, error, message):
    if 'weight' in change:
        distiller_cfg.pairs.loss_icc.loss.loss_weight = change.pop('weight')
    distiller_cfg.supervised = False
    for key, value in change.items():
        distiller_cfg[key] = value
    with pytest.raises(error, match=message):
        MODELS.build(distiller_cfg)

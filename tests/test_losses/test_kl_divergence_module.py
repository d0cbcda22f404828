import pytest
import torch
from support.models import batch

import ickd_mm
from ickd_mm.functional import kl_divergence
from ickd_mm.losses import KLDivergence
from ickd_mm.registry import MODELS


@pytest.mark.parametrize('shape', [(4, 10), (2, 10, 3, 5)])
@pytest.mark.parametrize(('tau', 'weight'), [(1.0, 1.0), (4.0, 0.5)])
def test_module_is_the_weighted_function(shape, tau, weight):
    student, teacher = torch.randn(2, *shape)
    loss = KLDivergence(tau=tau, loss_weight=weight)(student, teacher)
    assert torch.equal(loss, weight * kl_divergence(student, teacher, tau))


def test_sigmoids_are_asked_for():
    student, teacher = torch.randn(2, 4, 1, 3, 5)
    loss = KLDivergence(tau=2.0, use_sigmoid=True)
    assert torch.equal(loss(student, teacher), kl_divergence(student, teacher, 2.0, True))
    with pytest.raises(TypeError, match="use_sigmoid must be True or False, got 'yes'"):
        KLDivergence(use_sigmoid='yes')


def test_weight_scales_the_gradient():
    student, teacher = torch.randn(2, 4, 10)
    grads = []
    for weight in (1.0, 3.0, 0.0):
        x = student.clone().requires_grad_()
        KLDivergence(tau=2, loss_weight=weight)(x, teacher).backward()
        grads.append(x.grad)
    assert torch.allclose(grads[1], 3 * grads[0])
    assert not grads[2].any()


@pytest.mark.parametrize('key', ['tau', 'loss_weight'])
@pytest.mark.parametrize('value', [-1.0, float('nan'), float('inf')])
def test_wrong_values_are_refused_when_built(key, value):
    with pytest.raises(ValueError, match=f'{key} must be'):
        KLDivergence(**{key: value})


def test_built_from_a_config():
    module = MODELS.build(dict(type='ickd_mm.KLDivergence', tau=4.0, loss_weight=2.0))
    assert type(module) is ickd_mm.KLDivergence
    assert not list(module.parameters())
    assert 'tau=4.0, loss_weight=2.0' in repr(module)


def test_distils_the_logits_of_every_pixel(scope, distiller_cfg):
    tap = 'decode_head.conv_seg'
    loss = dict(type='ickd_mm.KLDivergence', tau=2.0)
    distiller_cfg.pairs = dict(loss_kd=dict(student=tap, teacher=tap, loss=loss))
    model = MODELS.build(distiller_cfg)
    model.init_weights()
    data = model.data_preprocessor(batch(), training=True)
    losses = model(**data, mode='loss')
    assert losses['loss_kd'] > 0
    losses['loss_kd'].backward()
    assert model.backbone.stem[0].weight.grad.any()
    assert model.decode_head.conv_seg.weight.grad.any()

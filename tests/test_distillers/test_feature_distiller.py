"""The distiller's promises, on real mmseg and mmpretrain models."""

import logging

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import OptimWrapper
from support.models import batch
from support.repository import model_config

from ickd_mm.distillers import feature_distiller
from ickd_mm.registry import MODELS


def plain_student(seed=0):
    torch.manual_seed(seed)
    student = MODELS.build(model_config('pspnet_student_digits'))
    student.init_weights()
    return student


def losses_of(model, data):
    data = model.data_preprocessor(data, training=True)
    return model(**data, mode='loss')


def test_it_starts_with_the_weights_that_the_student_alone_would_have(distiller):
    alone = plain_student().state_dict()
    for key, value in alone.items():
        assert torch.equal(distiller.state_dict()[key], value), key


def test_its_parameters_are_the_students_and_the_connectors(distiller):
    student = {name for name, _ in plain_student().named_parameters()}
    extra = {name for name, _ in distiller.named_parameters()} - student
    assert student < {name for name, _ in distiller.named_parameters()}
    assert extra
    assert all(name.startswith('connectors.loss_icc.') for name in extra)


def test_the_students_losses_keep_names_and_values(distiller):
    student = plain_student().train()
    torch.manual_seed(5)
    ours = losses_of(distiller.train(), batch())
    torch.manual_seed(5)
    alone = losses_of(student, batch())
    assert set(ours) == {*alone, 'loss_icc'}
    for key, value in alone.items():
        assert torch.equal(ours[key], value), key


def test_the_pairs_loss_is_the_loss_of_the_two_features(distiller):
    distiller.eval()
    data = distiller.data_preprocessor(batch(), training=True)
    with torch.no_grad():
        loss = distiller(**data, mode='loss')['loss_icc']
        student = distiller.student.backbone(data['inputs'])[3]
        teacher = distiller.teacher.model.backbone(data['inputs'])[3]
        expected = distiller.losses['loss_icc'](distiller.connectors['loss_icc'](student), teacher)
    torch.testing.assert_close(loss, expected)


def gradients_of(model, data):
    torch.manual_seed(7)
    model.zero_grad()
    losses = losses_of(model, data)
    sum(value for key, value in losses.items() if 'loss' in key).backward()
    return losses, {name: p.grad for name, p in model.named_parameters()}


def test_a_factor_scales_its_pair_and_at_zero_the_teacher_does_not_run(distiller, monkeypatch):
    data, alone = batch(), plain_student().train()
    distiller.train()
    once, _ = gradients_of(distiller, data)
    distiller.pair_factors['loss_icc'] = 2.5
    more, _ = gradients_of(distiller, data)
    assert more['loss_icc'].item() == pytest.approx(2.5 * once['loss_icc'].item())
    distiller.pair_factors['loss_icc'] = 0.0
    with monkeypatch.context() as patch:
        patch.setattr(type(distiller.teacher), '__call__', None)
        none, grads = gradients_of(distiller, data)
    assert none['loss_icc'] == 0
    _, want = gradients_of(alone, data)
    for name, grad in want.items():
        torch.testing.assert_close(grads[name], grad)
    # DDP without find_unused_parameters waits for a gradient of everything
    assert all(grad is not None for grad in grads.values())
    assert not any(grads[name].any() for name in grads.keys() - want.keys())


def test_weight_zero_leaves_the_students_gradients_alone(distiller_cfg, scope, caplog):
    distiller_cfg.pairs.loss_icc.loss.loss_weight = 0.0
    with caplog.at_level(logging.WARNING):
        torch.manual_seed(0)
        model = MODELS.build(distiller_cfg)
    model.init_weights()
    alone = plain_student()
    for net in (model, alone):
        torch.manual_seed(7)
        sum(v for k, v in losses_of(net.train(), batch()).items() if 'loss' in k).backward()
    for (name, p), (_, q) in zip(alone.named_parameters(), model.student.named_parameters()):
        assert torch.equal(p.grad, q.grad), name


def test_every_trainable_parameter_gets_a_gradient_and_the_teacher_none(distiller):
    sum(v for k, v in losses_of(distiller.train(), batch()).items() if 'loss' in k).backward()
    assert all(p.grad is not None for p in distiller.parameters())
    assert all(p.grad is None and not p.requires_grad for p in distiller.teacher.model.parameters())


def test_the_teacher_stays_in_eval_mode_and_unchanged(distiller):
    images = torch.randn(2, 3, 64, 64)
    before = {tap: x.clone() for tap, x in distiller.teacher(images).items()}
    distiller.train()
    optimizer = OptimWrapper(torch.optim.SGD(distiller.parameters(), 0.1))
    distiller.train_step(batch(), optimizer)
    assert not any(module.training for module in distiller.teacher.model.modules())
    for tap, feature in distiller.teacher(images).items():
        assert torch.equal(feature, before[tap])


def test_the_teacher_runs_no_further_than_its_last_tap(distiller):
    ran = []
    head = distiller.teacher.model.decode_head
    head.register_forward_hook(lambda *_: ran.append(1))
    losses_of(distiller.train(), batch())
    assert not ran


def test_predictions_are_the_students(distiller):
    alone = plain_student().eval()
    ours = distiller.eval().test_step(batch())
    for a, b in zip(ours, alone.test_step(batch())):
        assert torch.equal(a.seg_logits.data, b.seg_logits.data)


def test_evaluating_never_runs_the_teacher(distiller):
    distiller.teacher = None
    distiller.eval()
    assert len(distiller.val_step(batch())) == 2
    assert distiller(torch.zeros(1, 3, 64, 64)).shape == (1, 11, 16, 16)


def test_the_state_dict_holds_no_teacher(distiller):
    student = set(plain_student().state_dict())
    extra = set(distiller.state_dict()) - student
    assert all(key.startswith('connectors.') for key in extra)


def test_a_plain_students_state_loads(distiller):
    other = plain_student(seed=9)
    missing, unexpected = distiller.load_state_dict(other.state_dict(), strict=False)
    assert not unexpected
    assert all(key.startswith('connectors.') for key in missing)
    key = 'backbone.layer1.0.conv1.weight'
    assert torch.equal(distiller.student.state_dict()[key], other.state_dict()[key])


def test_an_ema_copy_shares_the_teacher_and_nothing_else(distiller):
    average = ExponentialMovingAverage(distiller)
    twin = average.module
    assert twin.teacher is distiller.teacher
    assert twin.student is not distiller.student
    assert twin.backbone is twin.student.backbone
    assert twin.pairs[0].connector is twin.connectors['loss_icc']
    average.update_parameters(distiller)


def test_moving_the_distiller_moves_the_teacher(distiller):
    distiller.double()
    assert all(p.dtype == torch.float64 for p in distiller.teacher.model.parameters())
    assert all(p.dtype == torch.float64 for p in distiller.student.parameters())


def test_a_child_that_is_replaced_is_replaced_in_the_student_too(distiller):
    distiller.decode_head = torch.nn.Identity()
    distiller.train()
    assert distiller.student.decode_head is distiller.decode_head


def test_a_teacher_dict_without_preprocessor_takes_the_students(distiller_cfg, scope):
    preprocessor = distiller_cfg.teacher.pop('data_preprocessor')
    model = MODELS.build(distiller_cfg)
    assert model.teacher.renormalize is None
    assert model.teacher.model.data_preprocessor.mean.flatten().tolist() == pytest.approx(
        preprocessor.mean
    )


def test_validating_leaves_the_connectors_statistics_alone(distiller):
    norm = distiller.connectors['loss_icc'].conv.bn
    assert norm.num_batches_tracked == 0
    assert not norm.running_mean.any()


def test_a_preprocessor_beside_the_students_own_is_not_used(scope, distiller_cfg, monkeypatch):
    said = []
    monkeypatch.setattr(feature_distiller, 'print_log', lambda text, *_: said.append(text))
    distiller_cfg.data_preprocessor = distiller_cfg.student.data_preprocessor
    MODELS.build(distiller_cfg)
    assert not any('data_preprocessor' in text for text in said)
    distiller_cfg.data_preprocessor = dict(distiller_cfg.data_preprocessor, size=(32, 32))
    assert tuple(MODELS.build(distiller_cfg).data_preprocessor.size) == (64, 64)
    assert any('set model.student.data_preprocessor' in text for text in said)


def test_building_leaves_the_random_state_alone(distiller_cfg, scope):
    torch.manual_seed(3)
    MODELS.build(model_config('pspnet_student_digits'))
    expected = torch.rand(1)
    torch.manual_seed(3)
    MODELS.build(distiller_cfg)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    ('key', 'value', 'error', 'message'),
    [
        ('pairs.loss_icc.student', 'backbone.layer5', KeyError, 'no module.*layer5.*layer4'),
        ('pairs.loss_icc.teacher', 'backbone.layer5', KeyError, 'the teacher .*layer5.*layer4'),
        ('pairs.loss_icc.teacher', 'backbone', ValueError, 'tuple of 4.*pick with backbone'),
        ('pairs.loss_icc.connector', None, ValueError, r'\(2, 64, 16, 16\).*\(2, 192, 16, 16\)'),
        ('pairs.loss_icc.loss.grid', 17, ValueError, 'finer than'),
        (
            'pairs.loss_icc.loss.loss_weight',
            -1.0,
            ValueError,
            'loss_weight must be finite and at least 0',
        ),
        ('teacher_ckpt', None, TypeError, 'teaches nothing'),
        ('teacher.backbone.depth', 34, ValueError, r'does not fit.*missing \d+.*unexpected \d+'),
        ('student.type', 'ickd_mm.FeatureDistiller', TypeError, 'a distiller itself'),
    ],
)
def test_a_wrong_config_ends_before_training(distiller_cfg, scope, key, value, error, message):
    from mmengine.config import Config

    cfg = Config(dict(model=distiller_cfg))
    cfg.merge_from_dict({f'model.{key}': value})
    with pytest.raises(error, match=message):
        MODELS.build(cfg.model)


def test_under_autocast_the_loss_is_computed_in_float32(distiller):
    distiller.eval()
    exact = losses_of(distiller, batch())['loss_icc']
    with torch.autocast('cpu', torch.bfloat16):
        losses = losses_of(distiller, batch())
    assert losses['loss_icc'].dtype == torch.float32
    torch.testing.assert_close(losses['loss_icc'], exact, rtol=0.1, atol=0)
    losses['loss_icc'].backward()
    assert all(p.grad.isfinite().all() for p in distiller.connectors.parameters())


def test_a_pair_named_like_a_loss_of_the_student(distiller):
    object.__setattr__(distiller.pairs[0], 'name', 'decode.loss_ce')
    distiller.pair_factors['decode.loss_ce'] = 1.0
    with pytest.raises(KeyError, match='rename the pair'):
        losses_of(distiller.train(), batch())


def test_a_frozen_tap_is_an_error(distiller):
    distiller.student.backbone.requires_grad_(False)
    with pytest.raises(RuntimeError, match='carries no gradient'):
        losses_of(distiller.train(), batch())


def test_a_tap_that_the_student_changes_in_place_is_copied(distiller_cfg, scope):
    """A residual block adds into its last norm's output: the tap must hold it as it was."""
    distiller_cfg.pairs.loss_icc.student = 'backbone.layer4.1.bn2'
    distiller_cfg.pairs.loss_icc.teacher = 'backbone.layer4.1.bn2'
    model = MODELS.build(distiller_cfg)
    model.init_weights()
    losses_of(model.train(), batch())['loss_icc'].backward()
    assert model.backbone.layer4[1].bn2.weight.grad is not None

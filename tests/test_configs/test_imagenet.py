"""The ImageNet recipe is the released one: total loss, start, schedule."""

import pytest
import torch
from mmengine.registry import init_default_scope
from support.recipes import recipe

from ickd_mm.registry import MODELS

B, C, K = 256, 512, 1000
TEACHERS = ('resnet34', 'resnet50', 'resnet101')


def released_total(features, wanted, logits, wanted_logits, labels):
    """0.5 CE + 0.5 KL + 500 ICC / (C B B), in float64 from the definitions."""
    icc = 0.0
    for pair in zip(features.double().flatten(2), wanted.double().flatten(2)):
        ours, theirs = (flat @ flat.T for flat in pair)
        difference = ours / ours.norm(dim=1, keepdim=True) - theirs / theirs.norm(
            dim=1, keepdim=True
        )
        icc += difference.pow(2).sum() / (C * B * B)
    log_p, log_q = (x.double().log_softmax(1) for x in (logits, wanted_logits))
    cross_entropy = -log_p[torch.arange(B), labels].mean()
    kl = (log_q.exp() * (log_q - log_p)).sum(1).mean()
    return 0.5 * cross_entropy + 0.5 * kl + 500 * icc


def test_the_total_is_the_released_one():
    """The connector is left out on both sides: its weights are the student's business."""
    torch.manual_seed(0)
    init_default_scope('mmpretrain')
    model = recipe('resnet34_resnet18_pretrained_imagenet').model
    features, wanted = torch.randn(B, C, 7, 7), torch.randn(B, C, 7, 7).relu()
    logits, wanted_logits = 3 * torch.randn(B, K), 3 * torch.randn(B, K)
    labels = torch.randint(0, K, (B,))

    cross_entropy = MODELS.build(model.student.head.loss)
    icc, kl = (MODELS.build(model.pairs[key].loss) for key in ('loss_icc', 'loss_kl'))
    total = cross_entropy(logits, labels) + icc(features, wanted) + kl(logits, wanted_logits)
    expected = released_total(features, wanted, logits, wanted_logits, labels)
    assert total.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize('teacher', TEACHERS)
@pytest.mark.parametrize('setting', ['pretrained', 'scratch'])
def test_pairs_and_teacher(teacher, setting):
    model = recipe(f'{teacher}_resnet18_{setting}_imagenet').model
    first = recipe('resnet34_resnet18_pretrained_imagenet').model
    assert model.pairs == first.pairs
    assert model.student.head == first.student.head
    assert model.teacher == f'mmpretrain::resnet/{teacher}_8xb32_in1k.py'
    assert list(model.pairs) == ['loss_icc', 'loss_kl']
    icc, kl = model.pairs.loss_icc, model.pairs.loss_kl
    assert icc.student == icc.teacher == 'backbone.layer4'
    assert icc.connector.kernel_size == 3
    assert kl.student == kl.teacher == 'head.fc'
    assert 'connector' not in kl


@pytest.mark.parametrize('name', ['resnet18', *(f'{teacher}_resnet18' for teacher in TEACHERS)])
def test_start_and_schedule(name):
    released, scratch = (recipe(f'{name}_{s}_imagenet') for s in ('pretrained', 'scratch'))
    for cfg in (released, scratch):
        assert cfg.train_cfg.max_epochs == 100
        assert cfg.train_dataloader.batch_size == 256
        assert cfg.param_scheduler.milestones == [30, 60, 90]
        assert cfg.param_scheduler.gamma == 0.1
    assert released.optim_wrapper.optimizer == dict(type='AdamW', lr=2e-4, weight_decay=5e-4)
    usual = dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4)
    assert usual.items() <= dict(scratch.optim_wrapper.optimizer.to_dict()).items()
    start, none = (c.model.get('student', c.model).get('init_cfg') for c in (released, scratch))
    assert start.type == 'Pretrained'
    assert not none


def test_the_pretrained_student_starts_from_its_weights(zoo, build, monkeypatch):
    """Whole classifiers lie at that address: backbone and head."""
    cfg = recipe('resnet34_resnet18_pretrained_imagenet')
    init_default_scope('mmpretrain')
    weights = MODELS.build(recipe('resnet18_scratch_imagenet').model).state_dict()

    def download(url, target, **kwargs):
        assert url == cfg.model.student.init_cfg.checkpoint
        torch.save(dict(state_dict=weights), target)

    monkeypatch.setenv('TORCH_HOME', str(zoo.folder / 'other'))
    monkeypatch.setattr(torch.hub, 'download_url_to_file', download)
    cfg.model.teacher_ckpt = str(zoo.weights(cfg.model.teacher))
    student = build(cfg).student.state_dict()
    assert student.keys() == weights.keys()
    assert all(torch.equal(student[key], value) for key, value in weights.items())

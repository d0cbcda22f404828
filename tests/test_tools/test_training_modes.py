"""Real training loops in the modes that change how gradients and copies are made."""

import copy

import pytest
import torch
from mmengine.model import convert_sync_batchnorm
from mmengine.optim import OptimWrapper
from support.models import batch
from support.repository import ICKD
from support.tools import load, scalars, succeed, train

from ickd_mm.commands.benchmark.memory import peak_extra_bytes

pytestmark = pytest.mark.slow


def test_gradients_are_accumulated_over_steps(distilled, tmp_path):
    options, _ = distilled
    more = ('train_cfg.max_iters=4', 'optim_wrapper.accumulative_counts=2')
    succeed(train(ICKD, tmp_path, *options, *more))
    state = load(tmp_path / 'iter_4.pth')['optimizer']['state']
    assert {int(one['step']) for one in state.values()} == {2}
    assert len([row for row in scalars(tmp_path) if 'loss_icc' in row]) == 4


def test_a_strict_average_starts_from_a_plain_student(distilled, tmp_path):
    """The student's file has no connectors, which an average that loads strictly wants."""
    options, folder = distilled
    plain = load(folder / 'iter_6.pth')['state_dict']
    plain['decode_head.conv_seg.bias'] += 5
    torch.save(dict(state_dict=plain), tmp_path / 'plain.pth')
    config = tmp_path / 'average.py'
    config.write_text(
        f'_base_ = {str(ICKD)!r}\nload_from = {str(tmp_path / "plain.pth")!r}\n'
        "custom_hooks = [dict(type='EMAHook', strict_load=True)]\n"
    )
    succeed(train(config, tmp_path, *options, 'train_cfg.max_iters=2', 'teacher_val=False'))
    average = load(tmp_path / 'iter_2.pth')['state_dict']  # EMAHook saves the average there
    assert average.keys() == plain.keys()
    bias = 'decode_head.conv_seg.bias'
    torch.testing.assert_close(average[bias], plain[bias], rtol=0, atol=0.1)


def test_half_of_a_loss_twice_is_the_loss(distiller):
    """Two accumulated halves of a step give its gradient (batch norm in eval, so they agree)."""
    distiller.train()
    for module in distiller.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()
        if isinstance(module, torch.nn.Dropout2d):
            module.eval()
    twin = copy.deepcopy(distiller)
    wrappers = [
        OptimWrapper(torch.optim.SGD(model.parameters(), 0.1), accumulative_counts=count)
        for model, count in ((distiller, 2), (twin, 1))
    ]
    data = batch()
    for _ in range(2):
        with wrappers[0].optim_context(distiller):
            losses = distiller(
                **distiller.data_preprocessor(copy.deepcopy(data), True), mode='loss'
            )
        wrappers[0].update_params(distiller.parse_losses(losses)[0])
    twin.train_step(copy.deepcopy(data), wrappers[1])
    for (name, p), (_, q) in zip(distiller.named_parameters(), twin.named_parameters()):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-5, msg=name)


def test_sync_batch_norm_reaches_the_student_and_not_the_teacher(distiller):
    images = torch.randn(2, 3, 64, 64)
    before = {tap: x.clone() for tap, x in distiller.teacher(images).items()}
    converted = convert_sync_batchnorm(distiller, implementation='torch')
    converted.train()
    kinds = {type(m) for m in converted.student.modules()}
    assert torch.nn.SyncBatchNorm in kinds
    assert torch.nn.BatchNorm2d not in kinds
    assert not any(isinstance(m, torch.nn.SyncBatchNorm) for m in converted.teacher.model.modules())
    for tap, feature in converted.teacher(images).items():
        assert torch.equal(feature, before[tap])


def test_under_autocast_on_a_cpu(distiller):
    distiller.train()
    optimizer = torch.optim.SGD(distiller.parameters(), 0.01)
    for _ in range(2):
        data = distiller.data_preprocessor(batch(), True)
        with torch.autocast('cpu', torch.bfloat16):
            total, logs = distiller.parse_losses(distiller(**data, mode='loss'))
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    assert total.isfinite()
    assert 'loss_icc' in logs
    assert all(p.grad.isfinite().all() for p in distiller.parameters())


def test_the_teacher_costs_its_largest_activations_and_keeps_nothing(distiller):
    teacher, images = distiller.teacher, torch.randn(4, 3, 64, 64)
    sizes = []
    features = teacher(images)
    handles = [
        m.register_forward_hook(lambda m, i, o: sizes.append(o.numel() * o.element_size()))
        for m in teacher.model.backbone.modules()
        if isinstance(m, torch.nn.ReLU)
    ]
    teacher(images)
    for handle in handles:
        handle.remove()
    kept = sum(x.numel() * x.element_size() for x in features.values())
    peak = peak_extra_bytes(lambda: teacher(images))
    assert peak <= 4 * max(sizes) + kept
    assert peak < 0.7 * sum(sizes), 'as much as if every activation had been kept'
    assert all(x.grad_fn is None for x in features.values())

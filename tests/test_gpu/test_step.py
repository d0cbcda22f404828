"""A distilled step on a GPU: in half precision, with channels last, and what its teacher holds."""

import copy

import pytest
import torch
from mmengine.optim import AmpOptimWrapper
from support.gpu import DEVICE, ON_GPU
from support.models import batch

from ickd_mm.commands.benchmark.memory import peak_extra_bytes
from ickd_mm.commands.benchmark.steps import CPUAmpWrapper
from ickd_mm.registry import MODELS

pytestmark = pytest.mark.gpu


@pytest.fixture
def build(distiller_cfg, scope):
    def made(**teacher_run):
        torch.manual_seed(0)
        cfg = copy.deepcopy(distiller_cfg)
        cfg.teacher_run = teacher_run
        cfg.student.decode_head.dropout_ratio = 0
        model = MODELS.build(cfg)
        model.init_weights()
        return model.train()

    return made


def amp_wrapper(model, dtype):
    """What ``--amp`` makes of plain SGD, with a scale at which no step is skipped."""
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    if not ON_GPU:
        return CPUAmpWrapper(dtype=dtype, optimizer=optimizer)
    return AmpOptimWrapper(dtype=dtype, optimizer=optimizer, loss_scale=128.0)


def losses_of(model, data, wrapper=None):
    with wrapper.optim_context(model) if wrapper else torch.no_grad():
        losses = model(**model.data_preprocessor(copy.deepcopy(data), True), mode='loss')
        return {key: value.item() for key, value in losses.items() if 'loss' in key}


@pytest.mark.parametrize(
    ('dtype', 'own', 'layout'),
    [
        ('float16', None, torch.channels_last),
        ('float16', 'fp16', torch.contiguous_format),
        ('bfloat16', None, torch.contiguous_format),
        ('bfloat16', 'bf16', torch.channels_last),
    ],
)
def test_amp_trains_on_nearly_the_losses_of_float64_on_a_cpu(build, dtype, own, layout):
    exact = build().double()
    exact.teacher.model.double()
    want = losses_of(exact, batch())
    model = build(dtype=own)
    model.to(DEVICE, memory_format=layout)
    wrapper = amp_wrapper(model, dtype)
    assert losses_of(model, batch(), wrapper) == pytest.approx(want, rel=0.05)
    connector = model.connectors['loss_icc'].conv.conv.weight
    before = connector.detach().clone()
    for _ in range(2):
        logs = model.train_step(batch(), wrapper)
    assert all(value.isfinite().all() for value in logs.values())
    for name, p in model.named_parameters():
        assert p.isfinite().all(), name
    assert not torch.equal(connector, before)


def test_a_float32_step_has_the_losses_of_float64_on_a_cpu(build):
    exact = build().double()
    exact.teacher.model.double()
    assert losses_of(build().to(DEVICE), batch()) == pytest.approx(
        losses_of(exact, batch()), rel=1e-4
    )


def test_the_teacher_keeps_no_activations(build):
    """Against the same forward with gradients: a convolution's work space is in both."""
    teacher = build(cpu_kernels=False).to(DEVICE).teacher
    images = torch.randn(*((64, 3, 256, 256) if ON_GPU else (2, 3, 64, 64)), device=DEVICE)

    def with_gradients():
        return teacher._run_to_last_tap(images.to(memory_format=torch.channels_last))

    features = teacher(images)
    assert all(x.grad_fn is None for x in features.values())
    peak = peak_extra_bytes(lambda: teacher(images), DEVICE)
    teacher.model.requires_grad_(True)
    with_gradients()
    assert peak < 0.7 * peak_extra_bytes(with_gradients, DEVICE)

"""Neither the losses nor a distilled step make the CPU wait for the GPU.

On a CPU the operators that would are forbidden instead; copies between devices are not seen there.
"""

import contextlib
import types

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmpretrain.structures import DataSample
from support.gpu import DEVICE
from support.pairing import CLASSIFIER, CONNECTOR
from torch.utils._python_dispatch import TorchDispatchMode

from ickd_mm.hooks import FiniteCheckHook
from ickd_mm.registry import MODELS

aten = torch.ops.aten
WAITING = {
    aten._local_scalar_dense.default,
    aten.equal.default,
    aten.is_nonzero.default,
    aten.masked_select.default,
    aten.nonzero.default,
}
PAIRS = dict(
    loss_icc=dict(grid=2),
    loss_paper=dict(normalize=False),
    loss_centred=dict(grid=(2, 1), center=True),
    loss_cross=dict(cross=True),
    loss_mse=dict(type='ickd_mm.MSELoss'),
    loss_cwd=dict(type='ickd_mm.ChannelWiseDivergence'),
)


class Forbidden(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        masks = func is aten.index.Tensor and any(
            i is not None and i.dtype == torch.bool for i in args[1]
        )
        if func in WAITING or masks:
            raise RuntimeError(f'{func} makes the CPU wait: it is a synchronizing operation')
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def no_waiting(device):
    if device == 'cpu':
        with Forbidden():
            yield
        return
    torch.cuda.set_sync_debug_mode('error')
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode('default')


def on_gpu(*values):
    return pytest.param(*values, marks=pytest.mark.gpu)


def build(tmp_path, **teacher_run):
    torch.manual_seed(0)
    teacher = {
        **CLASSIFIER,
        'data_preprocessor': {**CLASSIFIER['data_preprocessor'], 'mean': [9.0]},
    }
    weights = str(tmp_path / 'teacher.pth')
    torch.save(MODELS.build(teacher).state_dict(), weights)
    taps = dict(student='backbone.layer4', teacher='backbone.layer4', connector=CONNECTOR)
    pairs = {name: {**taps, 'loss': {'type': 'ickd_mm.ICKDLoss', **p}} for name, p in PAIRS.items()}
    pairs['loss_kl'] = dict(
        student='head.fc', teacher='head.fc', loss=dict(type='ickd_mm.KLDivergence', tau=4.0)
    )
    cfg = dict(student=CLASSIFIER, teacher=teacher, teacher_ckpt=weights, pairs=pairs)
    return MODELS.build(
        dict(type='ickd_mm.FeatureDistiller', input_size=32, teacher_run=teacher_run, **cfg)
    )


@pytest.mark.parametrize(
    ('device', 'run'), [('cpu', {}), on_gpu(DEVICE, {}), on_gpu(DEVICE, dict(dtype='bf16'))]
)
def test_a_step_and_the_check_for_nan(device, run, tmp_path):
    model = build(tmp_path, **run).to(device).train()
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.01, momentum=0.9))
    hook = FiniteCheckHook()
    hook.before_train(types.SimpleNamespace(model=model, optim_wrapper=wrapper))
    samples = [DataSample().set_gt_label(i) for i in range(2)]
    data = dict(inputs=torch.randint(0, 256, (2, 3, 32, 32)), data_samples=samples)
    data = model.data_preprocessor(data, True)

    def step():
        with torch.autocast(device, torch.bfloat16, enabled=device == 'cuda'):
            total, logs = model.parse_losses(model(**data, mode='loss'))
        wrapper.update_params(total)
        return logs

    step()  # what a first step sets up may wait
    with no_waiting(device):
        logs = step()
    assert not hook._wrong_gradients()
    assert logs.keys() >= {*PAIRS, 'loss_kl', 'loss'}
    assert all(value.isfinite() for value in logs.values())


@pytest.mark.parametrize('device', ['cpu', on_gpu(DEVICE)])
def test_waiting_is_noticed(device):
    mask = torch.ones(3, device=device) > 0
    for waits in (mask.nonzero, mask.any().item, lambda: mask[mask], lambda: bool(mask[0])):
        with pytest.raises(RuntimeError, match='synchronizing'), no_waiting(device):
            waits()

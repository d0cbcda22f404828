"""A compiled distilled step on a GPU gives the losses of the eager one."""

import pytest
import torch
from mmengine.optim import OptimWrapper
from support.compiled_steps import distiller
from support.gpu import DEVICE, ON_GPU
from support.models import batch

from ickd_mm.registry import MODELS

pytestmark = pytest.mark.gpu


def test_compiled_losses(scope, tmp_path):
    cfg, found = distiller(tmp_path), []
    for compiled in (False, True):
        torch.manual_seed(0)
        model = MODELS.build(cfg)
        model.init_weights()
        model.to(DEVICE).train()
        wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.01, momentum=0.9))
        step = model.train_step
        if compiled:
            torch._dynamo.reset()
            step = torch.compile(step, backend='inductor' if ON_GPU else 'eager')
        logs = [step(batch(size=32), wrapper) for _ in range(3)]
        found.append([{key: float(value) for key, value in log.items()} for log in logs])
    for eager, compiled in zip(*found):
        assert compiled == pytest.approx(eager, rel=1e-3)
        assert eager['loss_icc'] > 0.1

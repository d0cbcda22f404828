"""One training step in one of two processes that share a GPU, each on half of a batch."""

import torch
from mmengine.model import convert_sync_batchnorm
from mmengine.registry import init_default_scope
from torch import distributed

from ickd_mm.registry import MODELS
from support.models import batch


def built(cfg, device):
    init_default_scope('mmseg')
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    return model.to(device).train()


def step(model, images):
    """Losses go back from some images of one batch; return the gradients and statistics."""
    data = model.data_preprocessor(batch(n=4), True)
    losses = model(data['inputs'][images], data['data_samples'][images], mode='loss')
    model.parse_losses(losses)[0].backward()
    grads = {name: p.grad for name, p in model.named_parameters()}
    return {**grads, **{name: x for name, x in model.named_buffers() if 'running' in name}}


def train_half(rank, cfg, device, rendezvous, out):
    """Average the gradients of both processes, as DDP does; rank 0 writes them to ``out``."""
    distributed.init_process_group('gloo', f'file://{rendezvous}', rank=rank, world_size=2)
    torch.backends.cudnn.allow_tf32 = False
    model = built(cfg, device)
    if device == 'cuda':  # on a CPU it computes in eval mode alone
        model = convert_sync_batchnorm(model, implementation='torch').train()
    found = {key: value.cpu() for key, value in step(model, slice(2 * rank, 2 * rank + 2)).items()}
    for value in found.values():
        distributed.all_reduce(value)
    if rank == 0:
        torch.save({key: value / 2 for key, value in found.items()}, out)
    distributed.barrier()

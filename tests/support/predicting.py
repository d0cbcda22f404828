"""What a student's library makes of a checkpoint, which names its own config."""

import gc

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner


def comparable(sample):
    """What of a data sample, as a dict, is predicted: a mask and logits, a class, boxes."""
    return {key: sample[key] for key in sample if key.startswith(('pred', 'seg_logits'))}


def predict(file):
    """Load a checkpoint strictly and predict its validation set.

    Where its config has none, what the head gives for random images.
    """
    torch.set_num_threads(1)
    gc.freeze()  # each data set collects
    checkpoint = torch.load(file, weights_only=True)
    cfg = Config.fromstring(checkpoint['meta']['cfg'], '.py')
    with DefaultScope.overwrite_default_scope(cfg.default_scope), torch.no_grad():
        model = MODELS.build(cfg.model).eval()
        model.load_state_dict(checkpoint['state_dict'], strict=True)
        if cfg.val_dataloader is None:
            torch.manual_seed(0)
            return model(torch.randn(2, 3, 64, 96), mode='tensor')
        batches = Runner.build_dataloader(cfg.val_dataloader)
        return [comparable(sample.to_dict()) for data in batches for sample in model.val_step(data)]


def same(ours, theirs):
    """Tell whether two nested predictions are equal, bit for bit."""
    if isinstance(ours, torch.Tensor):
        return torch.equal(ours, theirs)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(ours[k], theirs[k]) for k in ours)
    return len(ours) == len(theirs) and all(same(a, b) for a, b in zip(ours, theirs))

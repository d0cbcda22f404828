"""What forked runs need, imported and tried once: the process they are forked from loads this.

What runs on fake tensors for the first time takes seconds. Nothing here applies ``setup()``, which
is the tools' business.
"""

import contextlib

import ickd_mm.commands.training  # noqa: F401 first: it closes the stack's gaps  # isort: skip
import mmpretrain.apis  # noqa: F401
import mmseg.apis  # noqa: F401
import pandas  # noqa: F401
import pylab  # noqa: F401
import torch
import torch._dynamo
import torchvision  # noqa: F401
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope

from ickd_mm.features.dry_run import dry_run
from ickd_mm.registry import MODELS
from support.quick import make_quick, pass_over
from support.repository import model_config


def try_models():
    """Fill torch's caches for the operators of the digits models; an error is for tests to find."""
    with DefaultScope.overwrite_default_scope('mmseg'), contextlib.suppress(Exception):
        for name in ('student', 'teacher'):
            model = MODELS.build(ConfigDict(model_config(f'pspnet_{name}_digits')))
            for layout in (torch.contiguous_format, torch.channels_last):
                dry_run(model, (64, 64), contextlib.nullcontext(), layout=layout)


torch.set_num_threads(1)  # threads do not live on in a forked process
make_quick()
try_models()
pass_over()

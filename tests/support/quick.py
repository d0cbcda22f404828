"""Leave out what takes long in a short run and is not looked at."""

import functools
import gc

import mmengine.config.utils
from mmengine.config import config
from yapf.yapflib import yapf_api


def as_it_is(text, *args, **kwargs):
    return text, False


def make_quick():
    """Configs are written without a layout; a package's metafiles are parsed once."""
    config.FormatCode = yapf_api.FormatCode = as_it_is
    mmengine.config.utils.load = functools.cache(mmengine.config.utils.load)


def pass_over():
    """Let the garbage collector, which every data set calls, pass over what is there now."""
    gc.collect()
    gc.freeze()

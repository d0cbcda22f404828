"""Everything that changes mmengine or the stack around it, in one place.

When :mod:`ickd_mm` is imported, :func:`ickd_mm.runtime.stack.apply_compat_patches`:

==============================  ============================================================
``mmcv.ops``                    a placeholder where mmcv has no compiled operators
``pkg::path`` look-ups          work without ``pkg_resources``, and for ``ickd_mm::…``
``is_compiling``                has the name that torch 2.3 gave it, in torch 2.1 and 2.2 too
torchvision's operators         declared where its build does not match torch's
``scope``                       what a config inherits through ``ickd_mm::…`` keeps the scope
                                that it was written for
``read_base``                   new-style configs inherit ``ickd_mm.configs.…``
``distilled_config``            a tool that reads a student's key from a distiller's config is
                                told which config it wants
==============================  ============================================================

When a distiller is built or a tool starts, :func:`setup`, for every run of this process:

==============================  ============================================================
``checkpoint_files``            checkpoints are read without running code, and written as
                                whole files or not at all
``checkpoint_removal``          ``CheckpointHook`` removes old files after it saved the new
``samples``                     data loaders name the file of a sample that cannot be used
``loading``                     a checkpoint that fills nothing of a model is an error
``before_training``             a runner compares its model with its training data
``run_hooks``                   every runner gets the hooks that a distilled run needs
``strategies``                  strategies, FlexibleRunner's, refuse to train a distiller
==============================  ============================================================

Both do nothing the second time. Nothing else in the package changes code that is not its own.
"""

from __future__ import annotations

import functools


@functools.cache
def setup() -> None:
    """Prepare this process for runs: the second table above."""
    from .before_training import check_before_training
    from .checkpoint_files import install_reader, install_writer
    from .checkpoint_removal import install_removal
    from .loading import watch_loading
    from .run_hooks import attach_to_runners
    from .samples import watch_loaders
    from .strategies import refuse_distillers

    install_reader()
    install_writer()
    install_removal()
    watch_loaders()
    watch_loading()
    check_before_training()
    attach_to_runners()
    refuse_distillers()

"""The gaps of the OpenMMLab stack, each closed by one function.

A function says which versions have the gap, and does nothing where it is not there. Importing
:mod:`ickd_mm` calls :func:`apply_compat_patches` once.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar


def _has(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


class _MissingOps(ModuleType):
    """Stands for ``mmcv.ops``: its names import, and using one explains what to install."""

    __path__: ClassVar[list[str]] = []

    def __init__(self, name: str, distribution: str) -> None:
        super().__init__(name)
        self._distribution = distribution

    def _refusal(self, name: str) -> str:
        return (
            f'mmcv.ops.{name} needs compiled operators, and this environment has '
            f'{self._distribution} without them. Install an mmcv that was built for your torch '
            '(docs/install.md says how), or use a model without this operator.'
        )

    def __getattr__(self, name: str) -> type:
        if name.startswith('__'):
            raise AttributeError(name)
        message = self._refusal(name)

        def refuse(*args: Any, **kwargs: Any) -> None:
            raise RuntimeError(message)

        if name.startswith('RoI'):  # they have no weights: a model with one runs up to it
            from torch import nn

            made: dict[str, Any] = {'__init__': lambda self, *_, **__: nn.Module.__init__(self)}
            op = type(name, (nn.Module,), {**made, 'forward': refuse, '__module__': 'mmcv.ops'})
        else:
            op = type(name, (), {'__new__': refuse, '__module__': 'mmcv.ops'})
        setattr(self, name, op)
        return op


def provide_mmcv_ops() -> None:
    """mmcv-lite 2.1.0, and the wheel of onedl-mmcv 2.3.6 on PyPI.

    Both ship the folder ``mmcv/ops`` without its compiled part, so importing it fails, but
    mmsegmentation 1.2.2 and onedl-mmdetection 3.5.1 import it unguarded. A placeholder lets models
    that need none of these operators build and train.
    """
    if 'mmcv.ops' in sys.modules or not _has('mmcv') or _has('mmcv._ext'):
        return
    for distribution in filter(_has_distribution, ('mmcv-lite', 'onedl-mmcv')):
        ops = sys.modules['mmcv.ops'] = _MissingOps('mmcv.ops', distribution)
        for file in Path(_module_folder('mmcv'), 'ops').glob('*.py'):
            if file.stem != '__init__':  # from mmcv.ops.nms import batched_nms
                sys.modules[f'mmcv.ops.{file.stem}'] = ops


def missing_operator(name: str) -> str:
    """Say what to do about an operator of ``mmcv.ops`` that is not there; '' where it is."""
    ops = sys.modules.get('mmcv.ops')
    return ops._refusal(name) if isinstance(ops, _MissingOps) else ''


def _module_folder(package: str) -> str:
    """Folder of an installed module, named by itself or by its distribution."""
    spec = find_spec(package) if _has(package) else None
    if spec is None:
        try:
            top = metadata.distribution(package).read_text('top_level.txt') or ''
        except metadata.PackageNotFoundError as error:
            raise ModuleNotFoundError(f'{package} is not installed') from error
        spec = find_spec(top.split()[0]) if top.split() else None
    if spec is None or spec.origin is None:
        raise RuntimeError(f'{package} has no folder of its own (a namespace package?)')
    return str(Path(spec.origin).parent)


def _is_installed(package: str) -> bool:
    with suppress(ModuleNotFoundError, RuntimeError):
        return bool(_module_folder(package))
    return False


def _has_distribution(name: str) -> bool:
    return any(metadata.distributions(name=name))


def find_packages_without_pkg_resources() -> None:
    """mmengine 0.10.7; onedl-mmengine 0.10.12.

    ``pkg::path`` looks packages up through ``pkg_resources``, which setuptools dropped, and which
    takes an editable install to be where its metadata is.
    onedl-mmengine does without, but maps ``mmseg`` to a distribution name that its own
    family does not have. Both get a look-up by module name. Our own configs can be named too.
    """
    import mmengine.config.config as config
    import mmengine.utils as utils
    from mmengine.config.utils import MODULE2PACKAGE
    from mmengine.utils import package_utils

    looks_up = package_utils.is_installed.__code__.co_names
    if 'pkg_resources' in looks_up:
        hub = sys.modules.get('mmengine.hub.hub')
        for module in filter(None, (package_utils, utils, config, hub)):
            module.get_installed_path = _module_folder
            module.is_installed = _is_installed
    MODULE2PACKAGE.setdefault('ickd_mm', 'ickd_mm')
    for module_name, distribution in MODULE2PACKAGE.items():
        if _has(module_name) and not _has_distribution(distribution):
            MODULE2PACKAGE[module_name] = module_name


_OPERATORS = None


def declare_torchvision_ops() -> None:
    """torchvision built for another CUDA than torch (torch 2.13 CPU with torchvision 0.28).

    Its compiled part does not load, so its operators are unknown and ``import torchvision``
    fails, though mmpretrain needs only its Python parts. Declaring the two operators that the
    import asks for fixes that; calling them still fails. Where the builds match nothing is done.
    """
    global _OPERATORS
    spec = find_spec('torchvision') if _has('torchvision') else None
    if spec is None or 'torchvision' in sys.modules or _OPERATORS is not None:
        return
    import torch

    text = (Path(str(spec.origin)).parent / 'version.py').read_text()
    local = re.search(r"__version__ = '[^+']*\+?([^']*)'", text)
    built_for = local.group(1) if local else ''
    running = f'cu{torch.version.cuda.replace(".", "")}' if torch.version.cuda else 'cpu'
    if not built_for or built_for == running or not built_for.startswith(('cu', 'cpu')):
        return
    _OPERATORS = torch.library.Library('torchvision', 'DEF')
    _OPERATORS.define('nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
    _OPERATORS.define('qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')


def name_is_compiling() -> None:
    """torch 2.1 and 2.2 have no ``torch.compiler.is_compiling``; their own code asks another."""
    import torch

    if not hasattr(torch.compiler, 'is_compiling'):
        torch.compiler.is_compiling = torch._utils.is_compiling


def end_with_agent() -> None:
    """torchrun (torch 2.1 to 2.13) on Linux: its workers outlive an agent that is killed.

    They would train on alone, and the other nodes with them. The kernel ends this process, which
    torchrun started, when its agent is gone; the other nodes then lose their connection to it.
    """
    if 'TORCHELASTIC_RUN_ID' in os.environ and sys.platform == 'linux':
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG in linux/prctl.h
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def _name_slurm_task() -> None:
    """Tell torch.distributed what SLURM says of this task, as mmengine does on GPUs.

    Raises:
        RuntimeError: where SLURM did not start this process.
    """
    if 'SLURM_PROCID' not in os.environ:
        text = 'SLURM_PROCID is not set; start the tool by srun, as tools/slurm_train.sh does'
        raise RuntimeError(f'--launcher slurm: {text}')
    for ours, theirs in (('RANK', 'PROCID'), ('WORLD_SIZE', 'NTASKS'), ('LOCAL_RANK', 'LOCALID')):
        os.environ[ours] = os.environ[f'SLURM_{theirs}']
    if 'MASTER_ADDR' not in os.environ:
        command = ['scontrol', 'show', 'hostnames', os.environ['SLURM_NODELIST']]
        os.environ['MASTER_ADDR'] = subprocess.check_output(command, text=True).split()[0]
    os.environ.setdefault('MASTER_PORT', '29500')


def start_processes_on_cpus(cfg: Any) -> None:
    """mmengine 0.10.7 and onedl-mmengine 0.10.12: several processes without an accelerator.

    Both set a CUDA device before they look for one, and hand device ids to DDP, which refuses
    them for modules on a CPU. The tools call this for runs with ``--launcher pytorch`` or
    ``slurm``: gloo is started here, and the wrapper's config leaves device ids out.
    """
    from mmengine.device import get_device

    if cfg.launcher not in ('pytorch', 'slurm') or get_device() != 'cpu':
        return
    import torch.distributed

    if cfg.launcher == 'slurm':
        _name_slurm_task()
    torch.distributed.init_process_group('gloo')
    wrapper = dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False)
    unused = cfg.get('find_unused_parameters', False)
    cfg.setdefault('model_wrapper_cfg', dict(wrapper, find_unused_parameters=unused))


def apply_compat_patches() -> None:
    """Close every gap that an import can meet."""
    provide_mmcv_ops()
    declare_torchvision_ops()
    if _has('mmengine'):
        from .distilled_config import name_students_keys
        from .read_base import offer_recipes_to_read_base
        from .scope import keep_scope_of_recipes

        name_is_compiling()
        find_packages_without_pkg_resources()
        keep_scope_of_recipes()
        offer_recipes_to_read_base()
        name_students_keys()

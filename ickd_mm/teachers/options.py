"""How the teacher is run: what saves time, and what it costs in digits."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from mmengine.utils import digit_version

from ..preflight.image_size import is_size
from ..spelling import refuse_unknown

DTYPES = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}


@dataclass(frozen=True)
class TeacherOptions:
    """The distiller's ``teacher_run``. The first four are exact up to rounding.

    Attributes:
        fold: fold batch norms into convolutions.
        channels_last: keep channels innermost in memory.
        cpu_kernels: on a CPU, keep the weights of convolutions in the order that oneDNN wants;
            needs ``channels_last``.
        winograd: with ``cpu_kernels``, compute wide 3×3 convolutions with a quarter of the
            multiplications. Costs four times their weights more in memory (322 MiB for a
            ResNet-101), and work buffers of up to 0.2 GB.
        dtype: 'fp32', 'bf16' or 'fp16' for weights and arithmetic, whatever the step's autocast
            says; a model that itself makes float32 tensors (DETR's positions) gets an autocast
            of its own. None for float32 weights under the step's autocast.
        compile: hand the forward to :func:`torch.compile`; a dict gives its arguments.
        store: a folder that keeps the features of every batch, for runs that see the same
            batches: several methods over one seed (``tools/compare.py --share-teacher``). See
            :class:`ickd_mm.teachers.feature_store.FeatureStore`.
        size: height and width of the teacher's images, or one number for both; they are resized
            from the student's, bilinearly. None leaves them as they are.
    """

    fold: bool = True
    channels_last: bool = True
    cpu_kernels: bool = True
    winograd: bool = True
    dtype: str | None = None
    compile: bool | dict = False
    store: str | None = None
    size: int | tuple[int, int] | None = None

    @classmethod
    def read(cls, cfg: Any) -> TeacherOptions:
        """Read and check the config; None means the defaults.

        Raises:
            TypeError: if ``cfg`` is not a dict or a switch is not a boolean.
            KeyError: for an unknown key.
            ValueError: for an unknown dtype, a size that is not one, or ``compile`` on torch 2.1.
        """
        if cfg is None:
            return cls()
        if not isinstance(cfg, dict):
            raise TypeError(f'teacher_run must be a dict, got {cfg!r}')
        refuse_unknown(cfg, [field.name for field in fields(cls)], 'teacher_run')
        run = cls(**cfg)
        for key in ('fold', 'channels_last', 'cpu_kernels', 'winograd'):
            if not isinstance(getattr(run, key), bool):
                raise TypeError(f'teacher_run.{key} must be True or False, got {cfg[key]!r}')
        if not isinstance(run.compile, (bool, dict)):
            wanted = 'True, False or a dict of arguments of torch.compile'
            raise TypeError(f'teacher_run.compile must be {wanted}, got {run.compile!r}')
        if run.compile and digit_version(torch.__version__) < digit_version('2.2'):
            raise ValueError(
                f'teacher_run.compile does not work on torch 2.1 (this is {torch.__version__}): '
                'leave it out, or use a newer torch'
            )
        if run.store is not None and not (isinstance(run.store, str) and run.store):
            raise TypeError(f'teacher_run.store must be None or a folder, got {run.store!r}')
        if run.dtype is not None and run.dtype not in DTYPES:
            known = ', '.join(DTYPES)
            raise ValueError(f'teacher_run.dtype must be None or one of {known}, got {run.dtype!r}')
        if run.size is not None and not is_size(run.size):
            wanted = 'None, a positive integer or (height, width)'
            raise ValueError(f'teacher_run.size must be {wanted}, got {run.size!r}')
        return run

    def image_size(self, student: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of the teacher's images, given the student's."""
        if self.size is None:
            return student
        return (
            (self.size, self.size) if isinstance(self.size, int) else (self.size[0], self.size[1])
        )

    @property
    def torch_dtype(self) -> torch.dtype | None:
        """``dtype`` as PyTorch names it."""
        return None if self.dtype is None else DTYPES[self.dtype]

    def __str__(self) -> str:
        return ', '.join(f'{key}={value}' for key, value in asdict(self).items())

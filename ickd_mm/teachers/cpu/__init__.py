"""Faster convolutions for a frozen teacher on a CPU.

Optional: the rest of the package works without this folder and the one call of it in
``frozen_teacher.py``.
"""

from .packed_convs import use_cpu_kernels

__all__ = ['use_cpu_kernels']

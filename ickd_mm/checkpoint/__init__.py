"""Checkpoints: read safely, packed for plain students."""

from .packing import pack, unpack
from .reading import read_checkpoint

__all__ = ['pack', 'read_checkpoint', 'unpack']

"""Checkpoints: read safely, written for plain students."""

from .packing import pack, unpack
from .reading import install_reader, read_checkpoint

__all__ = ['install_reader', 'pack', 'read_checkpoint', 'unpack']

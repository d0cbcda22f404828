"""Checkpoints: read safely, written for plain students."""

from .packing import pack, unpack
from .reading import install_reader, read_checkpoint
from .writing import install_writer

__all__ = ['install_reader', 'install_writer', 'pack', 'read_checkpoint', 'unpack']

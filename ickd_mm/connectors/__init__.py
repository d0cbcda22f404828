"""Modules that bring the student's feature to the shape of the teacher's."""

from .conv import ConvConnector

__all__ = ['ConvConnector']

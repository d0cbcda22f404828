"""Modules that bring the student's feature to the shape of the teacher's."""

from .conv import ConvConnector
from .vid import VIDRegressor

__all__ = ['ConvConnector', 'VIDRegressor']

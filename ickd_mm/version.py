"""The version of ickd_mm."""

__version__ = '0.2.0'

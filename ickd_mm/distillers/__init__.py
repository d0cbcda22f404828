"""Models that train a student against a teacher."""

from .feature_distiller import FeatureDistiller

__all__ = ['FeatureDistiller']

"""What is the runner's business, not the model's."""

from .finite import FiniteCheckHook
from .pair_weight import PairWeightHook
from .student_checkpoint import PackCheckpointHook, UnpackCheckpointHook
from .teacher_val import TeacherValHook

__all__ = [
    'FiniteCheckHook',
    'PackCheckpointHook',
    'PairWeightHook',
    'TeacherValHook',
    'UnpackCheckpointHook',
]

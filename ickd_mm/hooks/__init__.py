"""What is the runner's business, not the model's."""

from .correlation_visualization import CorrelationVisualizationHook
from .finite import FiniteCheckHook
from .pair_monitor import PairMonitorHook
from .pair_weight import PairWeightHook
from .student_checkpoint import PackCheckpointHook, UnpackCheckpointHook
from .teacher_val import TeacherValHook

__all__ = [
    'CorrelationVisualizationHook',
    'FiniteCheckHook',
    'PackCheckpointHook',
    'PairMonitorHook',
    'PairWeightHook',
    'TeacherValHook',
    'UnpackCheckpointHook',
]

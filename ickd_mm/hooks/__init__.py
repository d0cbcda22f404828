"""What is the runner's business, not the model's."""

from .student_checkpoint import PackCheckpointHook, UnpackCheckpointHook, attach_to_runners

__all__ = ['PackCheckpointHook', 'UnpackCheckpointHook', 'attach_to_runners']

"""Give a distiller the modules, weights and hooks of its student."""

from __future__ import annotations

from mmengine.model import BaseModel

_OWN = {'connectors', 'losses', 'pair_factors', 'pairs', 'student', 'teacher'}
_STATE_DICT_HOOKS = (
    '_state_dict_hooks',
    '_state_dict_pre_hooks',
    '_load_state_dict_pre_hooks',
    '_load_state_dict_post_hooks',
)


def check_student(student: BaseModel) -> None:
    """Refuse a student that a distiller cannot stand for.

    Raises:
        TypeError: if it has its own training step, or a part of a name that the distiller needs.
    """
    for step in ('train_step', '_run_forward'):
        if getattr(type(student), step) is not getattr(BaseModel, step):
            raise TypeError(f'{type(student).__name__} has its own {step}: it cannot be distilled')
    reserved = _OWN & {*student._modules, *student._parameters}
    if reserved:
        raise TypeError(
            f'the student has attributes {sorted(reserved)}, which the distiller needs for itself: '
            'rename them'
        )


def adopt_student(distiller: BaseModel, student: BaseModel) -> None:
    """Share the student's children, weights and state-dict hooks with the distiller."""
    distiller._modules.clear()
    distiller._modules.update(student._modules)
    distiller._parameters, distiller._buffers = student._parameters, student._buffers
    distiller._non_persistent_buffers_set = student._non_persistent_buffers_set
    for hooks in _STATE_DICT_HOOKS:
        setattr(distiller, hooks, getattr(student, hooks))
    object.__setattr__(distiller, 'student', student)

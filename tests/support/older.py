"""Tests of what an older environment does not have, by their addresses; they are skipped there."""

import re
from importlib.util import find_spec

import pytest
import torch
from mmengine.utils import digit_version

COMPILER = 'torch 2.1 cannot compile this'
SCALER = 'torch 2.1 has no gradient scaler for CPUs'
HALF = 'torch 2.1 has no float16 on CPUs'
BEFORE_2_3 = {
    r'test_compile': COMPILER,
    r'test_a_compiled_teacher': COMPILER,
    r'test_pair_monitor.py::test_through_the_tool': COMPILER,
    r'test_autocast_changes_nothing\[.*dtype0\]': HALF,
    r'test_half_\w+\[dtype0\]': HALF,
    r'test_a_lower_precision_\w+\[fp16\]': HALF,
    r'test_a_teacher_for_which_they_are_switched_off\[run3\]': COMPILER,
    r'test_the_teacher_runs_again_in_the_precision_of_the_run': HALF,
    r'test_the_state_of_the_amp_scaler_comes_back': SCALER,
    r'test_a_step_that_the_scaler_skips_is_no_error': SCALER,
    r'test_mixed_precision_gives_the_same_share': SCALER,
}


TORCHDISTILL = 'torchdistill 1.1.5 needs torch 2.12'
WITHOUT_TORCHDISTILL = {
    r'test_a_loss_that_can_teach_one_channel_is_not\[loss5\]': TORCHDISTILL,
    r'test_one_option_swaps_the_method\[sp\]': TORCHDISTILL,
    r'test_a_misspelt_method_lists_what_exists': TORCHDISTILL,
    r'test_a_pair_that_cannot_train_on_one_image\[[^*]*Torchdistill': TORCHDISTILL,
    r'test_\w+\[(comparison/)?(at|cc|dist|pkt|rkd|sp|vid)_\w+': TORCHDISTILL,
}


def skip_what_is_not_there(items):
    """Mark the tests of both tables where their reason holds."""
    absent = {}
    if digit_version(torch.__version__) < digit_version('2.3'):
        absent.update(BEFORE_2_3)
    if find_spec('torchdistill') is None:
        absent.update(WITHOUT_TORCHDISTILL)
    for item in items:
        for pattern, reason in absent.items():
            if re.search(pattern, item.nodeid):
                item.add_marker(pytest.mark.skip(reason=reason))

"""Draw which channels agree, in teacher and student, while a run trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmengine.visualization import MLflowVisBackend

from ..randomness import preserved_randomness
from ..registry import HOOKS
from ..wrappers import unwrapped


@HOOKS.register_module()
class CorrelationVisualizationHook(Hook):
    """Draw each pair's inter-channel correlations for fixed images.

    One picture for each pair, the mean over the images: the teacher, the student where this run
    began, and the student now, as ``tools/visualize.py`` draws them. It goes to every backend in
    the config's ``visualizer`` under the name ``<pair>_correlation``: into ``vis_data/vis_image``
    with ``LocalVisBackend``. Drawn before the first iteration, every ``interval`` iterations, and
    after the last. The run's random numbers, weights and statistics stay as they are.

    ``dict(type='ickd_mm.CorrelationVisualizationHook', interval=200)`` among a config's
    ``custom_hooks`` adds it.

    Args:
        interval: iterations from one picture to the next.
        images: files, or numbers of samples of the validation set, from 0.

    Raises:
        ValueError: if ``interval`` is not an integer of at least 1.
    """

    priority = 'LOW'

    def __init__(self, interval: int = 1000, images: Sequence[str | int] = (0, 1, 2, 3)) -> None:
        if type(interval) is not int or interval < 1:
            raise ValueError(f'interval must be an integer of at least 1, got {interval!r}')
        self.interval, self.images = interval, images

    def before_train(self, runner: Runner) -> None:
        """Read the images, look at the teacher, and draw the student as it is.

        Raises:
            TypeError: if the model is not a distiller.
            ValueError: if the visualizer has no backend, or the images cannot be had.
            FileNotFoundError: for an image file that does not exist.
            ImportError: without scipy.
        """
        model = unwrapped(runner.model)
        if not hasattr(model, 'pair_factors'):
            kind = type(model).__name__
            raise TypeError(f'{type(self).__name__} needs a FeatureDistiller, the model is {kind}')
        if not runner.visualizer._vis_backends:
            raise ValueError(
                f"{type(self).__name__}: the config's visualizer has no vis_backends to draw into; "
                "set visualizer.vis_backends=[dict(type='LocalVisBackend')]"
            )
        if is_main_process():
            with preserved_randomness():
                self._look_at_teacher(runner, model)
            self._draw(runner, runner.iter)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Draw where the interval or the training ends."""
        if is_main_process() and (
            self.every_n_train_iters(runner, self.interval) or runner.iter + 1 == runner.max_iters
        ):
            self._draw(runner, runner.iter + 1)

    def _look_at_teacher(self, runner: Runner, model: Any) -> None:
        from ..visualization.images import read_images, thumbnails
        from ..visualization.maps import prepared, teacher_maps
        from ..visualization.panels import PairView

        _, batches = read_images(runner.cfg, self.images)
        self._inputs = prepared(model, batches)
        self._shown = [x for b in self._inputs for x in thumbnails(b, model.data_preprocessor)]
        found = teacher_maps(model, self._inputs)
        drawn = [pair for pair in model.pairs if found[pair.name]]
        self._views = [PairView(pair, found[pair.name]) for pair in drawn]
        left_out = [pair.name for pair in model.pairs if not found[pair.name]]
        if left_out:
            text = f'Not drawn, their features are not maps (N, C, H, W): {", ".join(left_out)}'
            print_log(text, 'current')
        self._first: dict[str, Any] = {}

    def _draw(self, runner: Runner, iteration: int) -> None:
        from ..visualization.figures import as_array, draw
        from ..visualization.maps import student_maps

        found = student_maps(unwrapped(runner.model), self._inputs)
        for view in self._views:
            maps = found[view.name]
            now = view.student(f'student, iteration {iteration}', maps)
            first = self._first.setdefault(view.name, now)
            panels = [view.teacher, first] + [now] * (now is not first)
            heading = f'Which channels agree? Pair {view.name}: mean over {len(maps)} images'
            picture = as_array(draw(view, panels, self._shown, heading))
            self._show(runner, f'{view.name}_correlation', picture, iteration)

    def _show(self, runner: Runner, name: str, picture: Any, iteration: int) -> None:
        for backend in runner.visualizer._vis_backends.values():
            # MLflow's takes the name for that of a file, and leaves out the step.
            is_file = isinstance(backend, MLflowVisBackend)
            backend.add_image(f'{name}_{iteration}.png' if is_file else name, picture, iteration)

"""One training step of each kind: the floor, the distiller's, and what they are made of."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper, build_optim_wrapper
from torch import nn

from ...distillers.feature_distiller import FeatureDistiller
from ...features.taps import Capture
from ...preflight.image_size import config_image_size
from ...preflight.model_source import read_student, read_teacher
from ...registry import MODELS
from ...teachers.weights import restore
from .batches import random_batch
from .estimate import without_weights


class CPUAmpWrapper(OptimWrapper):
    """mmengine's ``AmpOptimWrapper`` for a CPU, where that refuses: autocast, without a scaler."""

    def __init__(self, dtype: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dtype = getattr(torch, dtype)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run a forward under autocast."""
        with super().optim_context(model), torch.autocast('cpu', self.dtype):
            yield


class Steps:
    """One training step of each kind, on one random batch.

    Args:
        cfg: a distiller's config; its weights are replaced by random ones.
        device: where to run.
        layout: memory format of the plain models and of the student.
    """

    def __init__(self, cfg: Config, device: str, layout: torch.memory_format) -> None:
        self.cfg, self.device = cfg, device
        with tempfile.TemporaryDirectory() as folder:
            model = without_weights(cfg, folder)
            self.distiller: FeatureDistiller = MODELS.build(model)
            student = read_student(model)
            teacher = read_teacher(model, student).build('teacher')
            restore(teacher, model.teacher_ckpt)
        alone = student.build('student')
        self.teacher = teacher.eval().requires_grad_(False)
        self.alone = alone.train().to(device, memory_format=layout)
        self.teacher.to(device, memory_format=layout)
        self.distiller.train().to(device, memory_format=layout)
        models = self.alone, self.distiller
        amp = cfg.optim_wrapper.get('type') == 'AmpOptimWrapper'
        if amp and torch.device(device).type == 'cpu':
            cfg.optim_wrapper.type = CPUAmpWrapper
            cfg.optim_wrapper.pop('loss_scale', None)
        self.wrappers = {m: build_optim_wrapper(m, cfg.optim_wrapper) for m in models}
        self.images = cfg.train_dataloader.batch_size
        self.batch = random_batch(cfg, self.images, config_image_size(cfg)[0])
        data = self.alone.data_preprocessor(dict(self.batch), True)
        self.inputs: torch.Tensor = data['inputs'].to(memory_format=layout)
        self.samples = data['data_samples']

    def _train(self, model: BaseModel) -> None:
        model.train_step(dict(self.batch), self.wrappers[model])  # a step leaves its batch as it is

    def student(self) -> None:
        """The undistilled student's training step."""
        self._train(self.alone)

    @torch.no_grad()
    def plain_teacher(self) -> Capture:
        """The unchanged teacher's forward, up to its last tap, in the step's own precision."""
        taps = [pair.teacher for pair in self.distiller.pairs]
        capture = Capture(self.teacher, taps, 'teacher', stop=True)
        with self.wrappers[self.alone].optim_context(self.alone), capture as seen:
            images, samples = self.distiller.teacher.taken(self.inputs, self.samples)
            self.teacher(images, *samples, mode='tensor')
        return seen

    @torch.no_grad()
    def feature_error(self) -> float:
        """Return the largest ‖difference‖ / ‖feature‖ of the distiller's teacher and the plain."""
        plain = self.plain_teacher()
        with self.wrappers[self.distiller].optim_context(self.distiller):
            ours = self.distiller.teacher(self.inputs, self.samples)
        return max(((x - plain[tap]).norm() / plain[tap].norm()).item() for tap, x in ours.items())

    def floor(self) -> None:
        """The plain teacher's forward and the undistilled student's step."""
        self.plain_teacher()
        self.student()

    def ours(self) -> None:
        """The distiller's training step."""
        self._train(self.distiller)

    def full(self) -> None:
        """The distiller's training step, with the teacher's forward run to its end."""
        self.distiller.teacher.stop = False
        self._train(self.distiller)
        self.distiller.teacher.stop = True

    def parts(self) -> dict[str, Callable[[], None]]:
        """Return the parts of the distiller's step, each to be timed by itself."""
        context = self.wrappers[self.distiller].optim_context
        with torch.no_grad(), context(self.distiller):
            wanted = self.distiller.teacher(self.inputs, self.samples)
            taps = [pair.student for pair in self.distiller.pairs]
            with Capture(self.alone, taps, 'student', stop=True) as seen:
                self.alone(self.inputs, self.samples, mode='tensor')
        made = []
        for pair in self.distiller.pairs:
            feature = seen[pair.student].detach().clone().requires_grad_()
            with torch.no_grad(), context(self.distiller):
                matched = pair.connector(feature) if pair.connector else feature
            matched = matched.detach().clone().requires_grad_()
            made.append((pair, feature, matched, torch.randn_like(matched)))

        def connectors() -> None:
            for pair, feature, _, grad in made:
                if pair.connector is not None:
                    with context(self.distiller):
                        out = pair.connector(feature)
                    out.backward(grad)

        def losses() -> None:
            for pair, _, matched, _ in made:
                pair.loss(matched, wanted[pair.teacher]).backward()

        def teacher() -> None:
            with context(self.distiller):
                self.distiller.teacher(self.inputs, self.samples)

        return dict(teacher=teacher, student=self.student, connectors=connectors, losses=losses)

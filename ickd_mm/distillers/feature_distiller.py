"""Train a student with the features of a frozen teacher."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel
from torch import Tensor, nn

from ..checkpoint.packing import OWN_PARTS
from ..features.dry_run import dry_run, dry_run_features
from ..features.kept import KeptCapture
from ..features.taps import Capture, Tap
from ..preflight.image_size import image_size
from ..preflight.model_source import locate_weights, read_student, read_teacher
from ..randomness import preserved_randomness
from ..registry import MODELS
from ..runtime import setup
from ..teachers.frozen_teacher import FrozenTeacher
from ..teachers.needed import NeededWeights
from ..teachers.normalization import make_renormalizer
from ..teachers.options import TeacherOptions
from ..teachers.weights import restore
from .adoption import adopt_student, check_student
from .pairs import Pair, PairConfig
from .step import match_pairs, run_student
from .summary import about_cost, about_teacher
from .trial import build_pair, check_checkpointing, try_one_image, validate_pair
from .unlabelled import train_what_taps_need


@MODELS.register_module()
class FeatureDistiller(BaseModel):
    r"""A student whose training loss also matches a teacher's features.

    .. math:: L = L_{student} + \sum_{pairs} \ell(C(F_s), F_t)

    The distiller shares the student's module tree: its children, parameter names and state
    dict are the student's own (plus ``connectors`` and ``losses``, while there are any), and
    what it does not have itself is looked up in the student, so learning-rate rules, hooks,
    test-time augmentation and checkpoints mean what they mean without it. Evaluation and
    inference are the student's. The teacher is not part of the tree.

    Args:
        student: a model dict, a config file's path, or ``package::path``.
        teacher: likewise; a dict without ``data_preprocessor`` gets the student's.
        teacher_ckpt: a path, a URL, or 'zoo' for what the teacher's package lists.
        pairs: name -> ``dict(student=path, teacher=path, connector=None, loss=dict(...))``.
        data_preprocessor: used where the student's config has none (mmengine's runner gives
            it for configs that keep it beside the model).
        input_size: height and width of the training images, or one number for both, where the
            student's preprocessor does not know it (a classifier's); 224 if left out
            (``tools/train.py`` fills in what the training pipeline says).
        teacher_run: how the teacher is run; keys and defaults as in
            :class:`ickd_mm.teachers.options.TeacherOptions`.
        supervised: False trains on the pairs alone, without labels: the student runs up to its
            last tap, and what no tap depends on keeps its weights. Validation is as ever.

    Raises:
        TypeError, KeyError, ValueError, FileNotFoundError: before any training, naming the
            key, what it held and what it may hold.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Build the student alone for mmseg's tools that do not train, as ``init_model``.

        They set ``pretrained`` and ``train_cfg`` of a model to None; the student is told the same.
        """
        told = {key: kwargs[key] for key in ('pretrained', 'train_cfg') if key in kwargs}
        if not told or any(value is not None for value in told.values()):
            return super().__new__(cls)
        source = read_student(dict(kwargs, type=cls))
        source.cfg.update(told)
        return source.build('student')

    def __init__(
        self,
        student: dict | str | os.PathLike,
        teacher: dict | str | os.PathLike,
        teacher_ckpt: str | os.PathLike,
        pairs: dict[str, dict],
        data_preprocessor: dict | None = None,
        input_size: int | tuple[int, int] | None = None,
        teacher_run: dict | None = None,
        supervised: bool = True,
    ) -> None:
        setup()
        if not isinstance(supervised, bool):
            raise TypeError(f'supervised must be True or False, got {supervised!r}')
        pair_configs, options = PairConfig.read_all(pairs), TeacherOptions.read(teacher_run)
        config = dict(type='ickd_mm.FeatureDistiller', student=student, teacher=teacher)
        student_source = read_student(config, data_preprocessor)
        teacher_source = read_teacher(config, student_source)
        if data_preprocessor not in (None, student_source.cfg.get('data_preprocessor')):
            text = "a data_preprocessor beside the student's own isn't used"
            print_log(f'{text}: set model.student.data_preprocessor', 'current', 30)
        weights = locate_weights(teacher_ckpt, teacher_source.origin)
        size, _ = image_size(student_source.cfg, input_size)
        student_model = student_source.build('student')
        check_student(student_model)
        super().__init__()
        self.supervised = supervised
        adopt_student(self, student_model)
        with preserved_randomness():
            teacher_model = teacher_source.build('teacher')
            theirs = Capture(teacher_model, [c.teacher for c in pair_configs], 'teacher')
            read = NeededWeights(teacher_model, theirs)
            dry_run(teacher_model, options.image_size(size), theirs, read, role='teacher')
            how = restore(teacher_model, weights, read.names())
            self._about = [about_teacher(teacher_source, weights, how, read, options)]
            source = str(teacher_source.cfg)
            self.pairs = self._build_pairs(pair_configs, theirs, size, options, source)
        self.connectors = nn.ModuleDict({p.name: p.connector for p in self.pairs if p.connector})
        self.losses = nn.ModuleDict({p.name: p.loss for p in self.pairs})
        self._size = size
        self._kept: Any = None  # hooks that stay, of a compiled student
        self.pair_factors = {pair.name: 1.0 for pair in self.pairs}  # PairWeightHook changes them

    # Of the class as it is called; Python would show that of __new__.
    __signature__ = inspect.Signature([*inspect.signature(__init__).parameters.values()][1:])

    def __getattr__(self, name: str) -> Any:
        """Look in the student for what the distiller does not have."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            student = self.__dict__.get('student')
            if student is None or name.startswith('__') or not hasattr(student, name):
                raise
            return getattr(student, name)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Let the student's hooks rename its own keys alone."""
        ours = tuple(prefix + part for part in OWN_PARTS)
        kept = {key: state_dict.pop(key) for key in list(state_dict) if key.startswith(ours)}
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        state_dict.update(kept)

    def _build_pairs(
        self,
        configs: list[PairConfig],
        theirs: Capture,
        size: tuple[int, int],
        options: TeacherOptions,
        source: str,
    ) -> list[Pair]:
        """Learn the features' shapes, freeze the teacher, build and try every pair."""
        taps, teacher = [c.teacher for c in configs], theirs.model
        ours = self._dry_run([c.student for c in configs], size)
        normalize, copies = make_renormalizer(self.student, teacher), theirs.changed()
        self.teacher = FrozenTeacher(teacher, taps, normalize, copies, options, size, source)
        self.student_copies = ours.changed()
        pairs, self._shapes = [], {}
        for config in configs:
            pair = build_pair(config, ours, theirs, size)
            pairs.append(pair)
            self._shapes[pair.name] = ours[pair.student].shape, theirs[pair.teacher].shape
        if not self.supervised:
            self.student_copies, said = train_what_taps_need(self.student, pairs, size)
            self._about.append(said)
        return pairs

    def _dry_run(self, taps: list[Tap], size: tuple[int, int]) -> Capture:
        return dry_run_features(self.student, taps, 'student', size, self.supervised)

    def check_training(
        self, size: tuple[int, int] | None, one_image: str = '', checkpointed: Any = None
    ) -> None:
        """Try every pair as a run is going to train it.

        Args:
            size: height and width of the training images; None if they do not show it.
            one_image: where a batch of one image comes from, and what to do; empty if nowhere.
            checkpointed: mmengine's ``activation_checkpointing``.

        Raises:
            ValueError: naming the pair that cannot train so.
        """
        for pair in self.pairs:
            check_checkpointing(pair, checkpointed)
        if size not in (None, self._size):
            ours = self._dry_run([pair.student for pair in self.pairs], size)
            theirs = self.teacher.dry_run(size)
            for pair in self.pairs:
                shapes = ours[pair.student].shape, theirs[pair.teacher].shape
                validate_pair(pair, shapes, size, 'the size of the training images')
                self._shapes[pair.name] = shapes
            self._size = size
        for pair in self.pairs if one_image else ():
            try_one_image(pair, self._shapes[pair.name], one_image)

    def summary(self) -> str:
        """Return what is distilled, a line each: the teacher, the pairs, what they add."""
        pairs = [pair.describe(*self._shapes[pair.name]) for pair in self.pairs]
        cost = about_cost(self.student, self.connectors, self.losses)
        return '\n'.join([*self._about, *pairs, cost])

    def init_weights(self) -> None:
        """Initialise the student as it initialises itself alone, then the connectors."""
        self.student.init_weights()
        with preserved_randomness():
            for pair in self.pairs:
                pair.init_weights()

    def train(self, mode: bool = True) -> FeatureDistiller:
        """Set the mode of student, connectors and losses; the teacher stays in eval mode."""
        super().train(mode)
        for name in self.student._modules:  # a converted batch norm may have taken its place
            self.student._modules[name] = self._modules[name]
        self.student.train(mode)
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FeatureDistiller:
        super()._apply(fn, recurse)
        self.teacher.apply(fn)
        return self

    def forward(
        self, inputs: Tensor, data_samples: Any = None, mode: str = 'tensor', **kwargs: Any
    ) -> Any:
        """Run the student; in mode 'loss' add one loss for every pair.

        Args:
            inputs: images (N, 3, H, W) as the student's preprocessor makes them.
            data_samples: labels and meta information, as the student takes them.
            mode: 'tensor', 'predict' or 'loss'.
            kwargs: handed to the student.

        Returns:
            What the student returns; in mode 'loss' its losses under their own names (none
            without labels), and each pair's under the pair's.
        """
        if mode != 'loss':
            return self.student(inputs, data_samples, mode=mode, **kwargs)
        losses, matched, _ = self.train_forward(inputs, data_samples, **kwargs)
        for name in losses.keys() & matched.keys():
            raise KeyError(f'the student already has a loss {name!r}; rename the pair')
        return {**losses, **matched}

    def train_forward(
        self, inputs: Tensor, data_samples: Any = None, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]:
        """Run teacher, student and pairs as a training step does.

        Returns the student's own losses, each pair's by its name, the student's features by tap.
        """
        compiling = torch.compiler.is_compiling()
        wanted = self._ask_teacher(inputs, data_samples, compiling)
        if compiling:
            self._kept.start(inputs)
            mode = 'loss' if self.supervised else 'tensor'
            result = self.student(inputs, data_samples, mode=mode, **kwargs)
            losses, features = (result if self.supervised else {}), self._kept.take()
        else:
            how = self.pairs, self.student_copies, self.supervised
            losses, features = run_student(self.student, *how, inputs, data_samples, **kwargs)
        return losses, match_pairs(self.pairs, self.pair_factors, features, wanted), features

    @torch.compiler.disable
    def _ask_teacher(self, inputs: Tensor, data_samples: Any, compiling: bool) -> dict[Tap, Tensor]:
        """Return the teacher's features, where a pair needs them; prepare a compiled student."""
        if compiling and self._kept is None:
            taps = [pair.student for pair in self.pairs]
            self._kept = KeptCapture(self.student, taps, 'student', self.student_copies)
        return self.teacher(inputs, data_samples) if any(self.pair_factors.values()) else {}

    def parse_losses(self, losses: dict[str, Any]) -> tuple[Tensor, dict[str, Tensor]]:
        """Add the losses up as the student does."""
        return self.student.parse_losses(losses)

    def val_step(self, data: Any) -> list:
        """Evaluate the student alone."""
        return self.student.val_step(data)

    def test_step(self, data: Any) -> list:
        """Test the student alone."""
        return self.student.test_step(data)

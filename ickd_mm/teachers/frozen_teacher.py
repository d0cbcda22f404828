"""The frozen teacher: a model that gives features and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel
from torch import Tensor
from torch.nn.functional import interpolate

from ..features.dry_run import dry_run, dry_run_features
from ..features.kept import KeptCapture
from ..features.samples import completed, made_samples
from ..features.taps import Capture, Tap
from ..functional.precision import autocast_on
from .cpu import use_cpu_kernels
from .feature_store import FeatureStore
from .folding import Watch, fold_batch_norms
from .options import TeacherOptions


class FrozenTeacher:
    """Holds a teacher outside the module tree and runs it up to its last tap.

    Not being a module keeps it out of the optimizer, of DDP's buckets, of checkpoints and of
    ``train()``; copies (EMA) share it. It runs under ``no_grad``, since autograd cannot save
    tensors from inference mode.

    Args:
        model: the teacher, its weights restored; it is changed into what runs fastest.
        taps: the features asked for.
        renormalize: maps the student's images to the teacher's normalisation, or None.
        copies: taps whose output the model changes in place later on.
        run: how it is run.
        size: height and width of the training images, the student's.
        source: what the model was built from, for its store.
    """

    def __init__(
        self,
        model: BaseModel,
        taps: list[Tap],
        renormalize: Callable[[Tensor], Tensor] | None,
        copies: frozenset[Tap] = frozenset(),
        run: TeacherOptions | None = None,
        size: tuple[int, int] = (224, 224),
        source: str = '',
    ) -> None:
        model.eval()
        self.model = model.requires_grad_(False)
        self.taps = taps
        self.renormalize = renormalize
        self.copies = copies
        self.options = run or TeacherOptions()
        self.stop = True
        self._layout = torch.contiguous_format
        self._on_cpu_kernels = self._casts = False
        self._prepare(self.options.image_size(size))
        self._features: Callable[..., dict[Tap, Tensor]] = self._run_to_last_tap
        if self.options.compile:
            self._features = self._compiled()
        self.store: FeatureStore | None = None
        if self.options.store is not None:
            if self._needs_samples:
                raise ValueError(
                    f'teacher_run.store={self.options.store!r}: the teacher '
                    f'({type(model).__name__}) needs data samples beside the images, and the '
                    'store tells batches apart by their images; leave it out'
                )
            how = f'{replace(self.options, store=None)} {source}'
            self.store = FeatureStore(self.options.store, taps, how)
            self.store.identify(self.model)

    def _prepare(self, size: tuple[int, int]) -> None:
        """Lay out, fold and cast the weights, once, after a dry run to the last tap."""
        options, last = self.options, Capture(self.model, self.taps, 'teacher', stop=True)
        watches = Watch(self.model, self.taps), last
        if options.channels_last and self._runs_channels_last(size, *watches):
            self._layout = torch.channels_last
        else:
            self._needs_samples = dry_run(self.model, size, *watches, role='teacher')
        if options.fold:
            pairs = watches[0].pairs()
            fold_batch_norms(self.model, pairs)
            print_log(f'Folded {len(pairs)} batch norms of the teacher', 'current', logging.DEBUG)
        self.model.to(memory_format=self._layout)
        dtype = options.torch_dtype
        if dtype not in (None, torch.float32):
            self.model.to(dtype)
            self._casts = not self._runs_in(dtype, size, last)

    def _runs_in(self, dtype: torch.dtype, size: tuple[int, int], last: Capture) -> bool:
        """Tell whether all of the model stays in ``dtype``, or autocast has to bring it back.

        DETR makes its positions in float32.
        """
        device = next(self.model.parameters()).device.type
        for casts in (False, True):
            try:
                with torch.autocast(device, dtype if casts else None, enabled=casts):
                    dry_run(self.model, size, last, role='teacher', layout=self._layout)
                return not casts
            except Exception as error:
                fault = error
        name = self.options.dtype
        raise ValueError(
            f'teacher_run.dtype={name!r}: the teacher cannot run in it: {fault}'
        ) from fault

    def _runs_channels_last(self, size: tuple[int, int], *watches: AbstractContextManager) -> bool:
        layout = torch.channels_last
        try:
            model = self.model.to(memory_format=layout)
            self._needs_samples = dry_run(model, size, *watches, role='teacher', layout=layout)
        except Exception as error:  # it ran before, so the layout alone is to blame
            self.model.to(memory_format=torch.contiguous_format)
            print_log(f'The teacher cannot run with channels last: {error}', 'current', 30)
            return False
        return True

    def _compiled(self) -> Callable[..., dict[Tap, Tensor]]:
        """Compile the whole forward with hooks that stay; what no tap needs is dropped."""
        kept = KeptCapture(self.model, self.taps, 'teacher', self.copies)

        def features(images: Tensor, *samples: Any) -> dict[Tap, Tensor]:
            kept.start(images)
            self.model(images, *samples, mode='tensor')
            seen = kept.take()
            return {tap: seen[tap.path] for tap in self.taps}

        arguments = self.options.compile
        return torch.compile(features, **(arguments if isinstance(arguments, dict) else {}))

    def dry_run(self, size: tuple[int, int]) -> Capture:
        """Return the features' shapes for images of the student of ``size`` (height, width)."""
        return dry_run_features(self.model, self.taps, 'teacher', self.options.image_size(size))

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenTeacher:
        return self

    def apply(self, fn: Callable[[Tensor], Tensor]) -> None:
        """Move the weights, as ``nn.Module._apply`` does; a dtype that was asked for stays."""
        self._set_cpu_kernels(False)
        self.model._apply(fn)
        if self.options.torch_dtype is not None:
            self.model.to(self.options.torch_dtype)
        if self.store is not None:
            self.store.identify(self.model)

    def _set_cpu_kernels(self, wanted: bool) -> None:
        if wanted != self._on_cpu_kernels:
            tapped = {tap.find(self.model, 'teacher') for tap in self.taps}
            use_cpu_kernels(self.model, wanted, keep=tapped, winograd=self.options.winograd)
            self._on_cpu_kernels = wanted

    def _run_to_last_tap(self, images: Tensor, *samples: Any) -> dict[Tap, Tensor]:
        with Capture(self.model, self.taps, 'teacher', stop=self.stop, copies=self.copies) as seen:
            self.model(images, *samples, mode='tensor')
        return {tap: seen[tap] for tap in self.taps}

    def _samples(self, images: Tensor, data_samples: Any) -> tuple:
        """Return what the model is given beside images: nothing, where it runs on images alone."""
        if not self._needs_samples:
            return ()
        size = images.shape[-2], images.shape[-1]
        if not data_samples:
            return ([sample.to(images.device) for sample in made_samples(len(images), size)],)
        return (completed(data_samples, size, resized=self.options.size is not None),)

    def taken(self, images: Tensor, data_samples: Any = None) -> tuple[Tensor, tuple]:
        """Return what the teacher takes of the student's batch.

        That is the images in its own size and normalisation, and what its model is given beside
        them: nothing, or the data samples.
        """
        images = self._resized(images)
        samples = self._samples(images, data_samples)
        return images if self.renormalize is None else self.renormalize(images), samples

    def _resized(self, images: Tensor) -> Tensor:
        size = self.options.image_size((images.shape[-2], images.shape[-1]))
        if size == images.shape[-2:]:
            return images
        return interpolate(images, size, mode='bilinear', align_corners=False, antialias=True)

    @torch.no_grad()
    def __call__(self, images: Tensor, data_samples: Any = None) -> dict[Tap, Tensor]:
        """Return the feature of every tap for the student's (N, 3, H, W) images.

        A teacher that cannot run on images alone gets ``data_samples``, the student's.
        """
        images, samples = self.taken(images, data_samples)
        device, dtype = images.device.type, self.options.torch_dtype
        images = images.to(memory_format=self._layout)
        precision: AbstractContextManager = nullcontext()
        if dtype is not None:
            images = images.to(dtype)
            precision = torch.autocast(device, dtype if self._casts else None, enabled=self._casts)
        with precision:
            self._set_cpu_kernels(device == 'cpu' and self._allows_cpu_kernels())
            if self.store is not None:
                features = self.store(images, self._features)
            else:
                features = self._features(images, *samples)
        if dtype is None:
            return features
        return {tap: feature.float() for tap, feature in features.items()}

    def _allows_cpu_kernels(self) -> bool:
        switched_on = self.options.cpu_kernels and self._layout == torch.channels_last
        return switched_on and not self.options.compile and not autocast_on('cpu')

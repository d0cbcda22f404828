"""Features of a frozen teacher kept on disk: images that come again are not run again."""

from __future__ import annotations

import hashlib
import io
import os
import re
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from ..features.taps import Tap
from ..functional.precision import autocast_dtype, autocast_on
from ..version import __version__

Compute = Callable[[Tensor], dict[Tap, Tensor]]
_PACKAGES = ('mmcv', 'mmcv-lite', 'mmengine', 'mmpretrain', 'mmsegmentation', 'onedl-mmcv',
             'onedl-mmengine', 'onedl-mmpretrain', 'onedl-mmsegmentation')  # fmt: skip


def _digest(about: str, tensors: dict[str, Tensor]) -> str:
    """Digest of a text and of named tensors: dtypes, shapes, memory layouts and bits."""
    digest = hashlib.sha256(about.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f'{name} {tensor.dtype} {tuple(tensor.shape)} {tensor.stride()}'.encode())
        plain = tensor.detach().cpu().contiguous()
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _software() -> str:
    """Versions, threads, the CPU's instructions, the precision of products, the GPU."""
    versions = [f'ickd-mm {__version__}', f'torch {torch.__version__}']
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            versions.append(f'{name} {version(name)}')
    machine = f'{torch.get_num_threads()} {torch.backends.cpu.get_cpu_capability()}'
    precision = f'{torch.get_float32_matmul_precision()} {torch.backends.cudnn.allow_tf32}'
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ''
    return f'{versions} {machine} {precision} {gpu}'


def _whole(feature: Tensor) -> Tensor:
    """Copy a view of something larger: saving writes the storage behind a tensor."""
    alone = feature.untyped_storage().nbytes() == feature.numel() * feature.element_size()
    return feature if alone else feature.clone()


class FeatureStore:
    """A folder of features, one file per batch, named after all that they depend on.

    That is the teacher's config, structure, weights and buffers, how it is run, the versions of
    the packages, the number of threads, and the images bit by bit. A file holds the taps that were
    asked for so far; a run that asks for others adds them. What is read is what was computed, bits
    and memory layout included, so a run over batches of one shape gives the same student with the
    store as without. (The first batch that is computed decides which kernels a convolution uses on
    a CPU; where shapes vary, features may differ by rounding.) A file that does not match its own
    digest is computed again. Processes may share the folder.

    It pays where the same batches come again: for every other method over the same seed. A run
    whose augmentation never repeats only fills it; the log says how many batches were read.

    Args:
        folder: made if it does not exist. Nothing is ever deleted from it.
        taps: the features asked for.
        how: what else the features depend on, in words.
    """

    def __init__(self, folder: str | os.PathLike, taps: Iterable[Tap], how: str) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.taps = tuple(dict.fromkeys(taps))
        self.how = how
        self.read = self.asked = 0
        self._identity = ''
        self._writes = True

    def identify(self, model: nn.Module) -> None:
        """Digest the teacher, before the first call and after every change of it."""
        structure = re.sub('0x[0-9a-f]+', '', str(model))  # addresses differ between processes
        tensors = {**model.state_dict(), **dict(model.named_buffers())}
        self._identity = _digest(f'{_software()} {self.how} {structure}', tensors)

    def _file(self, images: Tensor) -> Path:
        device = images.device.type
        precision = autocast_dtype(device) if autocast_on(device) else None
        about = f'{self._identity} {precision} {device}'
        return self.folder / f'{_digest(about, {"images": images.contiguous()})}.pt'

    def __call__(self, images: Tensor, compute: Compute) -> dict[Tap, Tensor]:
        """Return the features of ``images``: read, or computed and written."""
        file = self._file(images)
        stored = self._read(file)
        known = all(tap.path in stored for tap in self.taps)
        self.asked += 1
        self.read += known
        if self.asked in (1, 10, 100) or self.asked % 1000 == 0:
            text = f"The teacher's features of {self.read} of {self.asked} batches were read from"
            print_log(f'{text} {self.folder}', 'current')
        if known:
            return {tap: stored[tap.path].to(images.device) for tap in self.taps}
        features = {tap: _whole(feature) for tap, feature in compute(images).items()}
        self._write(file, stored | {tap.path: feature for tap, feature in features.items()})
        return features

    def _read(self, file: Path) -> dict[str, Tensor]:
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            return {}
        try:
            stored = torch.load(io.BytesIO(data), map_location='cpu', weights_only=True)
            if _digest('', stored['features']) != stored['digest']:
                raise ValueError('its contents do not match its digest')
        except Exception as error:  # whatever a damaged archive makes torch.load raise
            print_log(f'{file} is damaged and is computed again: {error!r}', 'current', 30)
            return {}
        return stored['features']

    def _write(self, file: Path, features: dict[str, Tensor]) -> None:
        if not self._writes:
            return
        part = file.with_name(f'{uuid.uuid4().hex}.part')
        try:
            torch.save({'features': features, 'digest': _digest('', features)}, part)
            part.replace(file)
        except (OSError, RuntimeError) as error:  # RuntimeError: torch's word for a full disk
            part.unlink(missing_ok=True)
            self._writes = False
            print_log(f'No more features are written to {self.folder}: {error}', 'current', 30)

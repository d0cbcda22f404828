"""Features of a frozen teacher kept on disk: images that come again are not run again."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from pickle import UnpicklingError

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from .taps import Tap

Compute = Callable[[Tensor], dict[Tap, Tensor]]


def _update(digest: hashlib._Hash, tensor: Tensor) -> None:
    plain = tensor.detach().cpu().contiguous()
    digest.update(f'{plain.dtype} {tuple(plain.shape)}'.encode())
    digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)


def _whole(feature: Tensor) -> Tensor:
    """Copy a view of something larger: saving writes the storage behind a tensor."""
    alone = feature.untyped_storage().nbytes() == feature.numel() * feature.element_size()
    return feature if alone else feature.clone()


class FeatureStore:
    """A folder of features, one file a batch, named after all that they depend on.

    That is the teacher's structure and weights, the taps, how it is run, PyTorch's version, and
    the images bit by bit. What is read is what was computed, bits and memory layout included, so
    a run gives the same student with the store as without. Processes may share the folder.

    It pays where the same batches come again: for every other method over the same seed. A run
    whose augmentation never repeats only fills it.

    Args:
        folder: made if it is not there. Nothing is ever deleted from it.
        model: the teacher, as it runs.
        taps: the features asked for.
        how: what else the features depend on, in words.
    """

    def __init__(
        self, folder: str | os.PathLike, model: nn.Module, taps: Iterable[Tap], how: str
    ) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.taps = tuple(dict.fromkeys(taps))
        structure = re.sub('0x[0-9a-f]+', '', str(model))  # addresses differ between processes
        identity = hashlib.sha256(f'{torch.__version__} {how} {structure}'.encode())
        identity.update(' '.join(tap.path for tap in self.taps).encode())
        for name, tensor in sorted(model.state_dict().items()):
            identity.update(name.encode())
            _update(identity, tensor)
        self._identity = identity.digest()
        self._told = False

    def _file(self, images: Tensor) -> Path:
        device = images.device.type
        key = hashlib.sha256(self._identity)
        if torch.is_autocast_enabled(device):
            key.update(str(torch.get_autocast_dtype(device)).encode())
        key.update(device.encode())
        _update(key, images)
        return self.folder / f'{key.hexdigest()}.pt'

    def __call__(self, images: Tensor, compute: Compute) -> dict[Tap, Tensor]:
        """Return the features of ``images``: read, or computed and written."""
        file = self._file(images)
        try:
            stored = torch.load(file, map_location=images.device, weights_only=True)
            return {tap: stored[tap.path] for tap in self.taps}
        except FileNotFoundError:
            pass
        except (OSError, RuntimeError, EOFError, KeyError, UnpicklingError) as error:
            print_log(f'{file} is damaged and made anew: {error}', 'current', 30)
        features = compute(images)
        part = file.with_name(f'{uuid.uuid4().hex}.part')
        torch.save({tap.path: _whole(feature) for tap, feature in features.items()}, part)
        part.replace(file)
        if not self._told:
            self._told = True
            size = file.stat().st_size / 2**20
            print_log(
                f"Keeps the teacher's features in {self.folder}: {size:.1f} MiB a batch", 'current'
            )
        return features

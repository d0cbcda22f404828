"""A checkpoint's file is whole, or it is the one before."""

import pytest
from mmengine.fileio import get_file_backend

from ickd_mm.runtime.checkpoint_files import WholeFileBackend, install_writer


def test_mmengine_uses_it_for_local_files(tmp_path):
    install_writer()
    backend = get_file_backend(str(tmp_path / 'a.pth'), enable_singleton=False)
    assert isinstance(backend, WholeFileBackend)
    explicit = get_file_backend(backend_args=dict(backend='local'), enable_singleton=False)
    assert isinstance(explicit, WholeFileBackend)


def test_bytes_are_written_and_the_folder_is_made(tmp_path):
    file = tmp_path / 'new/a.pth'
    WholeFileBackend().put(b'one', str(file))
    WholeFileBackend().put(b'two', file)
    assert file.read_bytes() == b'two'
    assert [p.name for p in file.parent.iterdir()] == ['a.pth']


def test_a_write_that_fails_leaves_the_older_file(tmp_path, monkeypatch):
    file = tmp_path / 'a.pth'
    WholeFileBackend().put(b'old', file)

    def full(descriptor):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('os.fsync', full)
    with pytest.raises(OSError, match=r'No space left.*older checkpoints are untouched.*a\.pth'):
        WholeFileBackend().put(b'new', file)
    assert file.read_bytes() == b'old'
    assert len(list(tmp_path.iterdir())) == 1


def test_a_link_stays_one(tmp_path):
    (tmp_path / 'far').mkdir()
    (tmp_path / 'far/a.pth').write_bytes(b'old')
    (tmp_path / 'a.pth').symlink_to(tmp_path / 'far/a.pth')
    WholeFileBackend().put(b'new', tmp_path / 'a.pth')
    assert (tmp_path / 'a.pth').is_symlink()
    assert (tmp_path / 'far/a.pth').read_bytes() == b'new'

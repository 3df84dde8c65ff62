"""A file that is there whole or not at all: written beside its place first; a failure leaves nothing."""

from contextlib import suppress
from pathlib import Path

from uncia_contract.errors import StorageError


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file, its folders included; what was in its place stays until all of it is there.

    Raises:
        StorageError: it cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(data)
        unfinished.replace(path)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink()
        raise StorageError(f"{path}: cannot be written ({error.strerror})") from error

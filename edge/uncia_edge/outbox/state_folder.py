"""Decides where the trap keeps its state: on the card, or in memory while the card cannot be written.

It tries to write to the card. systemd provides a folder in memory (RuntimeDirectory, kept over restarts of the
service): a trap whose card is read-only goes on observing and sending from there. When the card can be written again,
the sequences that wait in memory are moved to it. Without a folder in memory, the trap stops with one clear line.
"""

import errno
import fcntl
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from uncia_contract.errors import StorageError
from uncia_contract.files import make_folder, write_durable
from uncia_edge.outbox.retention import BALLAST
from uncia_edge.outbox.store import Outbox

_log = logging.getLogger(__name__)

OUTBOX = "outbox"
# Other files of the state that move with it: the camera's ledger (without it, all files would come again), settings
# that were changed remotely, trusted keys, refused bundles, the bundle to fall back on, the renewed certificate, and
# whether the clock is right.
CARRIED = (
    *("watched.jsonl", "spool.ledger", "overrides.json", "overrides.json.previous", "clock.json", "cameras.json"),
    *("bundle/last-good.uncia", "bundle/keys.json", "bundle/releases.json", "bundle/loads.json"),
    *("identity/renewed.pem", "identity/new.key"),
)
MEMORY = Path("/run/uncia-trap/state")  # as set by systemd/uncia-trap.service; for programs that inspect it
MEMORY_BYTES = 100_000_000  # of frames that may wait in memory
SPARE_BYTES = 8_000_000  # to leave free on the card, besides the frames that move to it from memory


@dataclass(frozen=True)
class StateFolder:
    """The folder in use, and why it is not the configured one (None if it is)."""

    path: Path
    trouble: str | None = None


def refusal(folder: Path, room_bytes: int = 0) -> OSError | None:
    """The error of writing to a folder, or of too little free space; None if `room_bytes` can be written."""
    probe = folder / ".probe"
    try:
        make_folder(folder)
        write_durable(probe, b"uncia")
        probe.unlink()
        if room_bytes and shutil.disk_usage(folder).free < room_bytes + SPARE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        return error
    return None


def is_full(error: OSError | None) -> bool:
    """Whether the error says that the card is full.

    A running trap stays on a full card and empties it by delivering; it does not change to memory.
    """
    return error is not None and error.errno in (errno.ENOSPC, errno.EDQUOT)


def state_folder(configured: Path, environment: Mapping[str, str] = os.environ) -> StateFolder:
    """The folder to keep the state in now. Sequences that wait in memory are moved to the card if it can be written.

    Raises:
        StorageError: the configured folder cannot be written, and there is no folder in memory.
    """
    memory = folder_in_memory(environment)
    room_bytes = _waiting_bytes(memory) if memory else 0
    error = refusal(configured, room_bytes)
    if is_full(error):
        with suppress(OSError):
            (configured / OUTBOX / BALLAST).unlink()
            error = refusal(configured, room_bytes)
    if error is None:
        error = _move_back(memory, configured) if memory else None
    if error is None:
        return StateFolder(configured)
    trouble = error.strerror or str(error)
    if memory is None or refusal(memory) is not None:
        raise StorageError(f"state {configured}: {trouble}; check that the card is writable and not full")
    for name in CARRIED:
        if not (memory / name).exists():
            _carry(name, configured, memory)
    _log.error("state %s: %s; the state is kept in memory, a power cut would lose it", configured, trouble)
    return StateFolder(memory, f"state kept in memory: {trouble}")


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Lock the state folder, so that no second trap uses it and sends each burst twice. Killing the trap unlocks it.

    Raises:
        StorageError: another trap holds the lock.
    """
    with suppress(OSError):
        make_folder(folder)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # the folder does not exist, so no other trap uses it
        yield
        return
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def is_claimed(folder: Path) -> bool:
    """Whether a trap uses this state folder now.

    Raises:
        StorageError: no permission to read the folder.
    """
    try:
        os.scandir(folder).close()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StorageError(
            f"state {folder}: {error.strerror}; only the service may read it: run this as root"
        ) from error
    try:
        with claimed(folder):
            return False
    except StorageError:
        return True


def folder_in_memory(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The folder in memory that systemd provides; None without systemd."""
    runtime = environment.get("RUNTIME_DIRECTORY", "").split(":")[0]
    return Path(runtime) / "state" if runtime else None


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StorageError(f"state {folder}: another trap works on it; systemctl status uncia-trap") from error
    except OSError as error:  # a file system without locks
        _log.warning("state %s cannot be locked: %s", folder, error)


def _waiting_bytes(memory: Path) -> int:
    """The total size of the frames that wait in memory."""
    return sum(path.stat().st_size for path in (memory / OUTBOX / "frames").rglob("*.jpg"))


def _move_back(memory: Path, configured: Path) -> OSError | None:
    """Move the state from memory to the card; return the card's error, None if all was moved.

    A move that was interrupted is repeated: the outbox ignores an id that it has.
    """
    try:
        if (memory / OUTBOX).is_dir():
            _move_sequences(memory, configured)
            for name in CARRIED:
                _carry(name, memory, configured)
            shutil.rmtree(memory)
    except OSError as error:  # also a StorageError
        return error
    return None


def _move_sequences(memory: Path, configured: Path) -> None:
    left, card = Outbox(memory / OUTBOX), Outbox(configured / OUTBOX)
    for sequence in left.queries.waiting():
        item = left.get(sequence)
        if item is not None and not item.dropped:
            card.add(item.record, [left.frame_path(sequence, entry.n) for entry in item.record.frames])
    _log.info("%d sequences moved from memory to the card", len(left.queries.waiting()))
    left.close()
    card.close()


def _carry(name: str, source: Path, target: Path) -> None:
    """Copy a file durably; do nothing if it is absent, unreadable, or equal to the target."""
    content = _content(source / name)
    if content is not None and content != _content(target / name):
        make_folder((target / name).parent)
        write_durable(target / name, content)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None

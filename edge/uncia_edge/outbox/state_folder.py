"""Where the trap keeps its state: on the card, or in memory as long as the card cannot be written.

Decides by trying. systemd gives a folder in memory (RuntimeDirectory, kept over restarts of the service): a trap whose
card has become read-only goes on observing and sending from there. What still waits in memory when the card works again
is moved to it, once. Without such a folder a card that cannot be written stops the trap with one clear line.
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
# What else of the state counts: what the camera handed over (or it would all come again), what was set from afar, whom
# the trap trusts and which bundles it refuses, a bundle that these rules let it fall back on, its renewed certificate,
# whether its clock is right.
CARRIED = (
    *("watched.jsonl", "spool.ledger", "overrides.json", "overrides.json.previous", "clock.json", "cameras.json"),
    *("bundle/last-good.uncia", "bundle/keys.json", "bundle/releases.json", "bundle/loads.json"),
    *("identity/renewed.pem", "identity/new.key"),
)
MEMORY = Path("/run/uncia-trap/state")  # as systemd/uncia-trap.service gives it; for those who look from outside
MEMORY_BYTES = 100_000_000  # of frames that may wait in memory
SPARE_BYTES = 8_000_000  # beside the frames that move from memory to the card


@dataclass(frozen=True)
class StateFolder:
    """The folder in use, and why it is not the configured one (None where it is)."""

    path: Path
    trouble: str | None = None


def refusal(folder: Path, room_bytes: int = 0) -> OSError | None:
    """Why nothing can be written there, or not so much; None where it can."""
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
    """Whether room would help. A full card is drained from where it is, never left for memory while the trap runs."""
    return error is not None and error.errno in (errno.ENOSPC, errno.EDQUOT)


def state_folder(configured: Path, environment: Mapping[str, str] = os.environ) -> StateFolder:
    """Where to keep the state now.

    Raises:
        StorageError: the configured folder cannot be written, and there is none in memory.
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
    _log.error("state %s: %s; the state is kept in memory, and lost with the power", configured, trouble)
    return StateFolder(memory, f"state kept in memory: {trouble}")


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Nobody else runs a trap on this state meanwhile: two would send each burst twice. A kill gives the claim back.

    Raises:
        StorageError: somebody does.
    """
    with suppress(OSError):
        make_folder(folder)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # what is not there cannot be shared either
        yield
        return
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def is_claimed(folder: Path) -> bool:
    """Whether a trap works on this state now.

    Raises:
        StorageError: the folder may not be read, so that nobody can tell.
    """
    try:
        os.scandir(folder).close()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StorageError(f"state {folder}: {error.strerror}; it is the service's own: ask as root") from error
    try:
        with claimed(folder):
            return False
    except StorageError:
        return True


def folder_in_memory(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Where systemd lets the trap keep its state in memory; None where it does not."""
    runtime = environment.get("RUNTIME_DIRECTORY", "").split(":")[0]
    return Path(runtime) / "state" if runtime else None


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StorageError(f"state {folder}: another trap works on it; systemctl status uncia-trap") from error
    except OSError as error:  # a file system without locks
        _log.warning("state %s cannot be claimed: %s", folder, error)


def _waiting_bytes(memory: Path) -> int:
    """Of the frames that wait in memory."""
    return sum(path.stat().st_size for path in (memory / OUTBOX / "frames").rglob("*.jpg"))


def _move_back(memory: Path, configured: Path) -> OSError | None:
    """What the card said against taking what waits in memory; cut short, it is done again: an id is taken once."""
    try:
        if (memory / OUTBOX).is_dir():
            _move_sequences(memory, configured)
            for name in CARRIED:
                _carry(name, memory, configured)
            shutil.rmtree(memory)
    except OSError as error:  # a StorageError is one
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
    """Copy a file durably; one that is not there, cannot be read, or is there already, is left out."""
    content = _content(source / name)
    if content is not None and content != _content(target / name):
        make_folder((target / name).parent)
        write_durable(target / name, content)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None

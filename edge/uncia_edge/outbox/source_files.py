"""A frame's file as the trap read it: what its bytes were, and by what can be told that they still are.

Decides when a file need not be read again to be trusted. The sha256 is that of the bytes that were scored, computed
when the file is opened for it. The file holds them still if its sign is the same: size, times and inode of one look
before they were read and one after they were copied. A file system notes a change in steps (of milliseconds; two
seconds on some cards), so a sign counts only where the last change was older than that when the file was read.
"""

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

SETTLED_S = 3.0


@dataclass(frozen=True)
class Sign:
    """By what a file's next change shows. `settled` says whether it would show for certain."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int
    settled: bool

    def holds(self, source: Path, beside: Path) -> bool:
        """Whether nobody wrote into `source` since; only on the file system of `beside`, whose clock we know."""
        try:
            now, here = source.stat(), beside.stat()
        except OSError:
            return False
        same = (now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)
        known = (self.device, self.inode, self.size, self.modified_ns, self.changed_ns)
        return self.settled and here.st_dev == self.device and same == known


@dataclass(frozen=True)
class Original:
    """One frame's bytes as they were read: their sha256 and number, and the file's sign."""

    sha256: str
    size: int
    sign: Sign


def open_original(path: Path, known: Original | None = None) -> tuple[BinaryIO, Original]:
    """The file, opened, and what can be said of its bytes; the caller closes it.

    Args:
        path: the frame's.
        known: what was said of it before; where its sign has not changed since, its bytes are not summed up again.

    Raises:
        OSError: it is gone, or the card fails.
    """
    stream = path.open("rb")
    try:
        about = os.fstat(stream.fileno())
        settled = time.time() - about.st_ctime > SETTLED_S
        sign = Sign(about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns, settled)
        if known is not None and settled and known.sign == sign:
            return stream, known
        return stream, Original(hashlib.file_digest(stream, "sha256").hexdigest(), stream.tell(), sign)
    except BaseException:
        stream.close()
        raise

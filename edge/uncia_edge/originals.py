"""A frame's file as the trap read it: what its bytes were, and by what can be told that they still are.

Decides when a file need not be read again to be trusted. The sha256 is that of the bytes that were scored, computed
while they are in hand. The file holds them still if its sign is the same: size, times and inode of one look before
they were read and one after they were copied. A file system notes a change in steps (of milliseconds; two seconds on
some cards), so a sign counts only where the last change was older than that when the file was read.
"""

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

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


def read_original(path: Path) -> tuple[bytes, Original]:
    """The file's bytes, and what can be said of them.

    Raises:
        OSError: it is gone, or the card fails.
    """
    with path.open("rb") as stream:
        about = os.fstat(stream.fileno())
        age_s = time.time() - about.st_ctime
        content = stream.read()
    sign = Sign(
        about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns, settled=age_s > SETTLED_S
    )
    return content, Original(hashlib.sha256(content).hexdigest(), len(content), sign)

"""A frame's file as the trap read it: the sha256 of its bytes, and a sign that shows a later change.

Decides when a file is known to be unchanged without reading it again. The sha256 is computed when the file is opened
for scoring. The sign is device, inode, size and times; if it is the same after the file was copied, so are the bytes.
File systems store times in steps (milliseconds; two seconds on some cards). So a sign counts only if the last change
was at least `SETTLED_S` old when the file was read.
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
    """Device, inode, size and times of a file; `settled` if any later change would certainly alter them."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int
    settled: bool

    def holds(self, source: Path, beside: Path) -> bool:
        """Whether `source` is certainly unchanged. Always False if it is on another file system than `beside`.

        Another machine's clock may set the times of a file on a network share.
        """
        try:
            now, here = source.stat(), beside.stat()
        except OSError:
            return False
        same = (now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)
        known = (self.device, self.inode, self.size, self.modified_ns, self.changed_ns)
        return self.settled and here.st_dev == self.device and same == known


@dataclass(frozen=True)
class Original:
    """One frame's bytes as they were read: sha256, size in bytes, and the file's sign."""

    sha256: str
    size: int
    sign: Sign


def open_original(path: Path, known: Original | None = None) -> tuple[BinaryIO, Original]:
    """Open a frame's file and return it with its sha256, size and sign; the caller closes it.

    Args:
        path: the frame's file.
        known: the result of an earlier call; if the sign is the same, the sha256 is not computed again.

    Raises:
        OSError: the file is gone, or the card fails.
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

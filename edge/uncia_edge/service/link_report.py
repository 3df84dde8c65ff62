"""The status of the service's connection, in a file that `uncia-trap doctor` reads.

It holds whether there is a link, since when, why not, the last receipt, and whether another program takes the
connection over. It is written when that changes, without fsync, because it describes only this moment. If the card
refuses it, that is ignored.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from uncia_contract.errors import UNDECODABLE
from uncia_contract.files import write_atomic
from uncia_edge.delivery.link import Acknowledged, Connected, Disconnected, Event, Received

_log = logging.getLogger(__name__)

FILE = "link.json"
_RECEIPTS_APART = timedelta(minutes=1)  # so that many receipts do not write the file each time
_DOUBLE_S, _DOUBLE_TIMES = 600.0, 4  # a broker that restarts closes connections too, but less often


class LinkStatus(Struct, frozen=True):
    """The connection at one moment.

    Attributes:
        connected: whether there is a link.
        since: when that changed last.
        reason: why there is no link.
        code: the broker's reason code for that; None if it gave none.
        receipt_at: when the last receipt came.
        refused: the reason code with which the broker refused a message after the last receipt.
        refused_at: when it did.
        problem: see `LinkReport.problem`.
    """

    connected: bool
    since: datetime
    reason: str = ""
    code: int | None = None
    receipt_at: datetime | None = None
    refused: int | None = None
    refused_at: datetime | None = None
    problem: str | None = None


class LinkReport:
    """Keeps the status of one trap's link in `folder`; `note` gets every event except an accepted PUBACK."""

    def __init__(
        self,
        folder: Path,
        trap: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file, self._trap, self._now, self._clock = folder / FILE, trap, now, clock
        self._taken_over_s: deque[float] = deque(maxlen=100)
        self.status = LinkStatus(False, now(), "not connected yet")
        self._write()

    def note(self, event: Event) -> None:
        """Update the status with an event of the link."""
        before, status = self.status, self.status
        match event:
            case Connected():
                status = replace(before, connected=True, since=self._now(), reason="", code=None)
            case Disconnected(reason, code, taken_over):
                since = self._now() if before.connected else before.since
                if taken_over:
                    self._taken_over_s.append(self._clock())
                status = replace(before, connected=False, since=since, reason=reason, code=code)
            case Acknowledged(_, code) if code >= 0x80:
                status = replace(before, refused=code, refused_at=self._now())
            case Received(topic) if topic.endswith("/receipt"):
                now = self._now()
                if before.refused or before.receipt_at is None or abs(now - before.receipt_at) >= _RECEIPTS_APART:
                    status = replace(before, receipt_at=now, refused=None, refused_at=None)
        if status != before:
            self.status = status
            self.status = replace(status, problem=self.problem)
            self._write()

    @property
    def problem(self) -> str | None:
        """A text if another program connects with this trap's id again and again; else None."""
        times = self._recently_taken_over()
        if times < _DOUBLE_TIMES or self.status.refused is not None:
            return None
        return f"another program connects as {self._trap} ({times} times in ten minutes): two traps with one id?"

    def _recently_taken_over(self) -> int:
        return sum(self._clock() - at_s < _DOUBLE_S for at_s in self._taken_over_s)

    def _write(self) -> None:
        try:
            write_atomic(self._file, msgspec.json.encode(self.status))
        except OSError as error:
            _log.debug("%s: %s", self._file, error)


def read_status(folder: Path) -> LinkStatus | None:
    """The last status that the service wrote in this state folder; None if there is none.

    Raises:
        OSError: no permission to read the file.
    """
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=LinkStatus)
    except (FileNotFoundError, *UNDECODABLE):
        return None

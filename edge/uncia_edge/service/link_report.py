"""What the service knows of its own connection, in a file that `uncia-trap doctor` reads.

Decides what is told: whether there is a link, since when, why not, the last receipt, and how often another program took
the connection over. Written when that changes, without fsync: it is of this moment only. A card that refuses it is
nobody's trouble here.
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
_RECEIPTS_APART = timedelta(minutes=1)  # the file is not written for each of many
_DOUBLE_S, _DOUBLE_TIMES = 600.0, 4  # a broker that restarts closes a connection, too, but not so often


class LinkStatus(Struct, frozen=True):
    """The connection at one moment.

    `since` is when it became as it is, `reason` why there is none, `code` the broker's own (None where it said
    nothing), `refused` the reason code with which the broker refused a message at `refused_at`, after the last receipt.
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
    """Keeps the status of one trap's link in `folder`; `note` is told of every event but an accepted PUBACK."""

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
        """Take in what happened on the link."""
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
        """That another program connects under this trap's id again and again; None where none does."""
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
    """What the service in this state folder last said of its link; None where it said nothing.

    Raises:
        OSError: the file may not be read.
    """
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=LinkStatus)
    except (FileNotFoundError, *UNDECODABLE):
        return None

"""The status of the service's connection, in a file that `uncia-trap doctor` reads.

It holds whether there is a link, since when, why not, the last receipt, and whether another trap has this id:
#1 for certain if, when the link comes back, the retained state at the broker is of another boot and is not the one
that was there when this process first connected; #2 as a suspicion if connections end again and again as they do when
another program connects (Mosquitto 2.0.11 gives no reason). The file is written when that changes, without fsync,
because it describes only this moment. If the card refuses it, that is ignored.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from uncia_contract.errors import UNDECODABLE, MessageError
from uncia_contract.files import write_atomic
from uncia_contract.messages.records import TrapState, decode
from uncia_edge.clock import read_clock
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
        boot_id: str = "",
    ) -> None:
        self._boot_id = boot_id or read_clock().boot_id
        self._file, self._trap, self._now, self._clock = folder / FILE, trap, now, clock
        self._taken_over_s: deque[float] = deque(maxlen=100)
        self._first_state, self._was_connected, self._other_wrote_s = b"", False, -_DOUBLE_S
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
                self._was_connected |= before.connected
                if taken_over:
                    self._taken_over_s.append(self._clock())
                status = replace(before, connected=False, since=since, reason=reason, code=code)
            case Acknowledged(_, code) if code >= 0x80:
                status = replace(before, refused=code, refused_at=self._now())
            case Received(topic, payload) if topic.endswith("/state"):
                self._note_state(payload)
            case Received(topic) if topic.endswith("/receipt"):
                now = self._now()
                if before.refused or before.receipt_at is None or abs(now - before.receipt_at) >= _RECEIPTS_APART:
                    status = replace(before, receipt_at=now, refused=None, refused_at=None)
        self.status = status
        self.status = replace(status, problem=self.problem)
        if self.status != before:
            self._write()

    def _note_state(self, payload: bytes) -> None:
        """Compare the retained state at the broker with this trap's own (#1); skip what is no state."""
        if not self._was_connected:
            self._first_state = payload
            return
        with suppress(MessageError):
            if payload != self._first_state and decode(payload, TrapState).boot_id != self._boot_id:
                self._other_wrote_s = self._clock()

    @property
    def problem(self) -> str | None:
        """A text if another trap has this id (#1) or seems to have it (#2); else None."""
        if self._clock() - self._other_wrote_s < _DOUBLE_S:
            return f"another trap writes as {self._trap}: give each an id and a certificate of its own"
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

"""Which sequence of an earlier import an event is, whatever its package and ids were called then.

Decides: #1 two sequences that uncias tagged are one where the tags are equal, and else not; #2 otherwise an event is
what its pictures are: one of the same deployment and id, or of the same deployment, time and file name, whose pixels
are not other ones. An export without exact places has another header and the same pixels.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from uncia_collector.catalogue.access.people_in_pictures import ERASED
from uncia_collector.catalogue.schema import frames, sequences
from uncia_collector.imports.event import ImportedEvent, unpack
from uncia_collector.imports.package import CamtrapPackage
from uncia_contract.archive.camtrap_deployments import moment
from uncia_contract.datasets.camtrap_package import Row
from uncia_contract.errors import FrameError
from uncia_contract.pictures.jpeg import decode_jpeg


@dataclass(frozen=True)
class KnownSequence:
    """A sequence of an earlier import: its survey, and its tag where an uncia wrote it."""

    id: str
    survey: str
    tag: str


class KnownSequences:
    """What was imported before of one camera and deployment."""

    def __init__(self, connection: Connection, trap: str, deployment: str, root: Path) -> None:
        self.trap, self.root = trap, root  # `erased`: sha256 of all pictures of the trap that were
        self._by_picture: dict[tuple[str, ...], list[tuple[KnownSequence, int]]] = {}
        self._by_tag: dict[str, KnownSequence] = {}
        columns = frames.c.sequence, frames.c.n, frames.c.sha256
        erased = connection.execute(select(*columns).where(frames.c.trap == trap, frames.c.status == ERASED)).all()
        self.erased = frozenset(row.sha256 for row in erased) - {""}
        self._erased = {(row.sequence, row.n) for row in erased}
        self._erased_names: dict[str, set[tuple[str, ...]]] = {}
        query = select(sequences.c.id, sequences.c.origin, sequences.c.record)
        for row in connection.execute(query.where(sequences.c.trap == trap, sequences.c.origin != "")):
            event = unpack(row.record)
            if event.deployment == deployment:
                self._add(KnownSequence(row.id, row.origin, event.sequence), event)

    def _add(self, known: KnownSequence, event: ImportedEvent) -> None:
        if known.tag:
            self._by_tag[known.tag] = known
        for n, row in enumerate(event.media):
            for name in names_of(row):
                self._by_picture.setdefault(name, []).append((known, n))
                if (known.id, n) in self._erased:
                    self._erased_names.setdefault(known.id, set()).add(name)

    def erased_names(self, found: list[KnownSequence]) -> frozenset[tuple[str, ...]]:
        """What names the pictures of these sequences that were erased here; an export may have another header."""
        return frozenset(name for one in found for name in self._erased_names.get(one.id, ()))

    def find(self, connection: Connection, event: ImportedEvent, package: CamtrapPackage) -> list[KnownSequence]:
        """The sequences that an event is, in the order of its pictures."""
        if event.sequence in self._by_tag:
            return [self._by_tag[event.sequence]]
        found: dict[str, KnownSequence] = {}
        for row in event.media:
            for known, n in self._candidates(row):
                if (known.tag and event.sequence) or known.id in found:  # #1
                    continue
                if self._may_be(connection, known, n, package.picture(row["filePath"])):
                    found[known.id] = known
        return [*found.values()]

    def _candidates(self, row: Row) -> Iterator[tuple[KnownSequence, int]]:
        for name in names_of(row):
            yield from self._by_picture.get(name, ())

    def _may_be(self, connection: Connection, known: KnownSequence, n: int, content: bytes | None) -> bool:
        """Whether nothing says that a picture is another one than that of the same name (#2)."""
        of_it = frames.c.trap == self.trap, frames.c.sequence == known.id, frames.c.n == n
        there = connection.execute(select(frames.c.sha256, frames.c.path, frames.c.status).where(*of_it)).one_or_none()
        if there is None or content is None or not there.sha256:
            return True
        if there.sha256 == hashlib.sha256(content).hexdigest() or there.status != "stored":
            return True
        try:
            here = decode_jpeg((self.root / there.path).read_bytes()).image
            return decode_jpeg(content).image.tobytes() == here.tobytes()
        except (FrameError, OSError):
            return True


def names_of(row: Row) -> Iterable[tuple[str, ...]]:
    """What names a picture in its deployment (#2): its id; its time and file name."""
    name = row.get("fileName") or row["filePath"].rpartition("/")[2]
    return (row["mediaID"],), (moment(row["timestamp"]).isoformat(), name)

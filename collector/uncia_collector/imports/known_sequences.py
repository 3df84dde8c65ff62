"""Finds the sequences of earlier imports that an event is a copy of, even if its package and its ids have new names.

Decides:
#1 Two sequences with tags of uncia stations are the same if their tags are equal, and only then.
#2 Otherwise an event is the sequence that has its pictures. Two pictures are the same if they have the same deployment
   and either the same id, or the same time and file name, and their pixels do not differ. Pixels are compared because
   an export without exact places has another header.
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
    """A sequence of an earlier import: its id, its survey, and its tag (empty if no uncia station wrote it)."""

    id: str
    survey: str
    tag: str


class KnownSequences:
    """The sequences that earlier imports brought of one camera and deployment.

    `erased` holds the SHA-256 of each picture of the trap that was erased here.
    """

    def __init__(self, connection: Connection, trap: str, deployment: str, root: Path) -> None:
        self.trap, self.root = trap, root
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
        """The names (see `names_of`) of the pictures of these sequences that were erased here.

        Names, because the same picture in an export may have another header, and so another SHA-256.
        """
        return frozenset(name for one in found for name in self._erased_names.get(one.id, ()))

    def find(self, connection: Connection, event: ImportedEvent, package: CamtrapPackage) -> list[KnownSequence]:
        """The known sequences that an event is a copy of, in the order of its pictures; empty if there are none."""
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
        """Whether a picture may be the known one of the same name (#2): False only if the pixels differ."""
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
    """The two names of a picture in its deployment (#2): (id,) and (time, file name)."""
    name = row.get("fileName") or row["filePath"].rpartition("/")[2]
    return (row["mediaID"],), (moment(row["timestamp"]).isoformat(), name)

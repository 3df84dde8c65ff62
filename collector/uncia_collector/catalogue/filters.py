"""The gallery's filters, and how the database finds matching sequences without reading the others.

A filter is answered by *walks*. A walk is a set of conditions whose rows the database reads from one index in the order
of time. The walks of a filter exclude each other, and their merged rows are the page. So a rare filter (few of a
million sequences pass) costs as little as a common one (`benchmarks/collector_gallery.py`):
#1 One trap, audits, tests and incomplete sequences are few: one walk; the other filters are tested on the index's
columns.
#2 State, score band and label have known values: one walk for each combination, at most `MOST_WALKS`.
#3 A low minimum score excludes few sequences: it is tested during the walk.
#4 A reviewer's sequences are searched among those that anybody has answered; these are few.
#5 A label is also searched among the sequences whose answer names several taxa: one walk for each list of further
labels that holds it. There are only as many lists (`several`) as combinations of species that people named.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import product

from sqlalchemy import ColumnElement, exists, false, func

from uncia_collector.catalogue.schema import BANDS, STANDINGS, observations, sequences
from uncia_contract.errors import DataError

STATES = ("", "open", "doubtful", "confirmed", "rejected", "relabelled", "audit", "test", "incomplete")
DOUBTFUL = (0.35, 0.75)
MOST_WALKS = 60
_STANDINGS = {"open": ("open",), "doubtful": ("open", "passed")} | {s: (s,) for s in STANDINGS[2:]}

Walk = list[ColumnElement[bool]]


@dataclass(frozen=True)
class Filters:
    """Which sequences are shown; an empty field does not filter."""

    trap: str = ""
    state: str = ""
    since: date | None = None
    until: date | None = None
    min_score: float | None = None
    label: str = ""
    reviewer: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "Filters":
        """The filters in the query of a page's address.

        Raises:
            DataError: a date or a score cannot be read.
        """
        return cls(
            trap=query.get("trap", "")[:64],
            state=query.get("state", "") if query.get("state", "") in STATES else "",
            since=asked_date(query.get("since", "")),
            until=asked_date(query.get("until", "")),
            min_score=_asked_score(query.get("min_score", "")),
            label=query.get("label", "")[:80],
            reviewer=query.get("reviewer", "")[:64],
        )

    def query(self) -> dict[str, str]:
        """The filters as query parts of an address; empty ones are left out."""
        parts = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: str(value) for name, value in parts.items() if value not in ("", None)}

    def walks(self, zone: tzinfo, several: Iterable[tuple[str, ...]] = ()) -> list[Walk]:
        """The SQL conditions of each walk. Days begin at noon in `zone`, so that a night is one day.

        `several`: the lists of further labels in the catalogue (`gallery.several`).
        """
        lists = [labels for labels in several if self.label in labels]
        groups = [[labels] for labels in lists[:MOST_WALKS]] + ([lists[MOST_WALKS:]] if lists[MOST_WALKS:] else [])
        return self._main_walks(zone) + [self._of_several(group, zone) for group in groups]

    def _main_walks(self, zone: tzinfo) -> list[Walk]:
        """The walks for the first label of sequences; `_of_several` covers the others."""
        window = self._window(zone)
        if self.trap or self.state in {"audit", "test", "incomplete"}:
            return [[*window, *self._rare(), *self._tested()]]  # #1
        standings = _STANDINGS.get(self.state) or (STANDINGS[2:] if self.reviewer else None)  # #4
        bands = self._bands()
        if bands is not None and len(bands) * len(standings or STANDINGS) > MOST_WALKS:
            bands = None
        if not (self.label or standings or bands is not None):
            return [[*window, *self._tested()]]  # #3
        each = product(standings or STANDINGS, [None] if bands is None else bands)
        return [[*window, *self._known(standing, band)] for standing, band in each]  # #2

    def _window(self, zone: tzinfo) -> Walk:
        found: Walk = []
        if self.since:
            found.append(sequences.c.started_at >= noon(self.since, zone))
        if self.until:
            found.append(sequences.c.started_at < noon(self.until + timedelta(days=1), zone))
        if self.reviewer:
            o = observations.c
            of_it = (o.trap == sequences.c.trap) & (o.sequence == sequences.c.id)
            found.append(exists().where(of_it, o.reviewer == self.reviewer, o.undone.is_(False)))
        return found

    def _rare(self) -> Walk:
        """The conditions of #1: on the flag (audit, test, incomplete) if there is one, with the trap only tested."""
        trap, _, camera = self.trap.partition("/")  # `trap/camera` for a camera of a hub
        of_camera = [sequences.c.camera == camera] if camera else []
        flags: dict[str, ColumnElement[bool]] = {
            "audit": sequences.c.audit.is_(True),
            "test": sequences.c.test.is_(True),
            "incomplete": sequences.c.completed_at.is_(None),
        }
        if self.state not in flags:
            return [sequences.c.trap == trap, *of_camera]
        return [flags[self.state], *of_camera] + ([func.coalesce(sequences.c.trap, "") == trap] if trap else [])

    def _of_several(self, lists: list[tuple[str, ...]], zone: tzinfo) -> Walk:
        """The conditions of #5; the others are written so that the database chooses the index of `also_called`."""
        also, (trap, _, camera) = sequences.c.also_called, self.trap.partition("/")
        found = [also == lists[0] if len(lists) == 1 else also.in_(lists), *self._window(zone)]
        found += [func.coalesce(sequences.c.called, "") != self.label, *self._state_and_score()]
        found += [func.coalesce(sequences.c.trap, "") == trap] if trap else []
        found += [sequences.c.camera == camera] if camera else []
        flags: dict[str, ColumnElement[bool]] = {
            "audit": func.coalesce(sequences.c.audit, false()).is_(True),
            "test": func.coalesce(sequences.c.test, false()).is_(True),
            "incomplete": sequences.c.completed_at.is_(None),
        }
        return [*found, flags[self.state]] if self.state in flags else found

    def _state_and_score(self) -> Walk:
        tried = self.state in _STANDINGS
        known = [func.coalesce(sequences.c.standing, "").in_(_STANDINGS[self.state])] if tried else []
        return [*known, *self._scores()]

    def _tested(self) -> Walk:
        """State, score and label, written so that the database chooses the index for the other conditions."""
        found = self._state_and_score()
        if self.label:
            found.append(func.coalesce(sequences.c.called, "") == self.label)
        return found

    def _known(self, standing: str, band: int | None) -> Walk:
        found: Walk = [sequences.c.standing == standing]
        if self.label:
            found.append(sequences.c.called == self.label)
        if band is None:
            return found + self._scores()
        found.append(sequences.c.score_band == band)
        return found + (self._scores() if band == self._lowest() else [])

    def _scores(self) -> Walk:
        found: Walk = [] if self.min_score is None else [sequences.c.confidence >= self.min_score]
        if self.state == "doubtful":
            found += [sequences.c.confidence >= DOUBTFUL[0], sequences.c.confidence < DOUBTFUL[1]]
        return found

    def _bands(self) -> range | None:
        """The score bands that the filter needs; None for all."""
        if self.min_score is None and self.state != "doubtful":
            return None
        return range(self._lowest(), band_of(DOUBTFUL[1]) if self.state == "doubtful" else BANDS + 1)

    def _lowest(self) -> int:
        least = 0.0 if self.min_score is None else self.min_score
        return band_of(max(least, DOUBTFUL[0]) if self.state == "doubtful" else least)


def band_of(score: float) -> int:
    """The band of a score, from 0 to 20: bands are 0.05 wide."""
    return sum(score >= number / BANDS for number in range(1, BANDS + 1))


def asked_date(text: str) -> date | None:
    """The date in a field of a form or an address; None if it is empty.

    Raises:
        DataError: the text is not a date.
    """
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise DataError(f"date {text[:40]!r}: expected such as 2026-11-30") from error


def _asked_score(text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError as error:
        raise DataError(f"score {text[:40]!r}: expected 0 to 1") from error


def noon(day: date, zone: tzinfo) -> datetime:
    """Noon of a day in `zone`, as UTC: one night ends and the next begins."""
    return datetime.combine(day, time(12), zone).astimezone(UTC)


def night_of(moment: datetime, zone: tzinfo) -> date:
    """The night of a moment, named by the day on which the night began."""
    return (moment.astimezone(zone) - timedelta(hours=12)).date()

"""One event of an imported survey (`ImportedEvent`), translated into the catalogue's terms.

Decides:
#1 The machine's classification is the event's machine observation, else the most probable one of its media.
#2 An event is positive if the machine saw the animal: `snow_leopard`, or the label that another uncia station tagged.
#3 People's classification is the event's human observations, else the label that most human observations of its media
   give.
#4 Their verdict is `confirmed` if the label agrees with the machine's (without a machine: if it is the animal's),
   `rejected` if it is `not_<label>`, else `relabelled`. Several observations of the event are one answer.
The rows are kept unchanged: an export writes them again.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct, structs

from uncia_collector.catalogue.regions import region_text
from uncia_collector.observations.answer import CERTAINTIES, LIFE_STAGES, LONGEST_NOTE, MOST_COUNTED, SEXES
from uncia_collector.observations.checklist import shipped_checklist
from uncia_contract.archive.camtrap_deployments import moment
from uncia_contract.datasets.camtrap_events import by_machine, is_of_medium, tag_of
from uncia_contract.datasets.camtrap_package import Row

THE_ANIMAL, UNCLASSIFIED = "snow_leopard", "unclassified"
_OTHERS = {"human": "person", "vehicle": "vehicle", "blank": "blank", "unknown": "unknown", "animal": "animal"}


@dataclass(frozen=True)
class MachineClassification:
    """How a machine classified an event: label, its probability (0 to 1), whether it is the animal, and the model.

    `full_label` keeps a leading `not_` of the label; `label` does not.
    """

    full_label: str
    label: str
    confidence: float
    positive: bool
    model: str


@dataclass(frozen=True)
class HumanClassification:
    """How a person classified an event.

    `label` is None if the verdict is `rejected`; `observation` is the id of the row that the classification is from.
    """

    verdict: str
    label: str | None
    denied: str  # the label that a `rejected` verdict denies, else empty
    details: dict[str, Any]  # count, sex, life_stage, certainty, note
    person: str
    at: datetime
    observation: str


class ImportedEvent(Struct, frozen=True):
    """Rows of the standard's tables, without empty values. `event` is the eventID, or made from another id.

    `sequence` is CATALOGUE/ID if an uncia station wrote the rows, else empty.
    """

    deployment: str
    event: str
    media: tuple[Row, ...]
    observations: tuple[Row, ...]
    sequence: str = ""

    @property
    def started_at(self) -> datetime:
        """The time of its first observation or picture."""
        return min(self._moments("eventStart"))

    @property
    def ended_at(self) -> datetime:
        """The time of its last observation or picture."""
        return max(self._moments("eventEnd"))

    def _moments(self, column: str) -> list[datetime]:
        times = [row["timestamp"] for row in self.media]
        if not (self.sequence and times):  # an uncia's event-level rows have the times of the event, not the sequence
            times += [row[column] for row in self.observations]
        return [moment(time) for time in times]

    def moved(self, by: timedelta) -> "ImportedEvent":
        """A copy with every time moved by a clock's correction."""
        media = tuple(_moved(row, ("timestamp",), by) for row in self.media)
        observations = tuple(_moved(row, ("eventStart", "eventEnd"), by) for row in self.observations)
        return structs.replace(self, media=media, observations=observations)

    def machine(self) -> MachineClassification | None:
        """The machine's classification (#1, #2); None if no machine looked at the event."""
        rows = self._by("machine", "event") or self._by("machine", "media")
        if not rows:
            return None
        best = max(rows, key=lambda row: (row["observationType"] == "animal", probability(row) or 0.0))
        label, known = label_of(best) or UNCLASSIFIED, probability(best)
        if (tagged := _of_sequence(best, label)) is not None:
            return tagged
        sure, model = 1.0 if known is None else known, best.get("classifiedBy", "")[:255]
        if label.startswith("not_"):
            return MachineClassification(label, label.removeprefix("not_"), 1.0 - sure, False, model)
        ours = tag_of(best) is not None or label == THE_ANIMAL
        return MachineClassification(label, label, sure, ours and best["observationType"] == "animal", model)

    def people(self) -> list[HumanClassification]:
        """People's classifications (#3, #4); the last one counts."""
        labelled = [row for row in self._by("human", "event") if label_of(row) is not None]
        rows, machine = labelled or _majority(self._by("human", "media")), self.machine()
        labels = [(row, label_of(row)) for row in rows]
        return [_human_classification(row, label, machine, self.ended_at) for row, label in labels if label is not None]

    @property
    def label(self) -> str:
        """The label that was looked for: the machine's, else the animal if people saw it, else the label they deny."""
        if (machine := self.machine()) is not None:
            return machine.label
        people = self.people()
        if any(person.verdict == "confirmed" for person in people):
            return THE_ANIMAL
        denied = (person.denied for person in people if person.denied)
        return next(denied, UNCLASSIFIED)

    @property
    def machine_label(self) -> str:
        """The machine's full label, for a sequence that nobody here has reviewed; `unclassified` without a machine."""
        machine = self.machine()
        return UNCLASSIFIED if machine is None else machine.full_label

    def scientific_names(self) -> dict[str, str]:
        """The scientific name that its rows give each label."""
        named = [row for row in self.observations if row["observationType"] == "animal" and "scientificName" in row]
        return {label: row["scientificName"] for row in named if (label := label_of(row)) is not None}

    def labels(self) -> dict[int, str]:
        """People's labels of single pictures, by their index in `media`."""
        labels = {row["mediaID"]: label_of(row) for row in self._by("human", "media") if "mediaID" in row}
        return {n: label for n, row in enumerate(self.media) if (label := labels.get(row["mediaID"])) is not None}

    def scores(self) -> dict[str, tuple[float | None, str | None]]:
        """(score, box) of each media that a machine looked at, by mediaID; the box as the catalogue writes regions."""
        return {row["mediaID"]: (_score(row), _box(row)) for row in self._by("machine", "media") if "mediaID" in row}

    def _by(self, method: str, level: str) -> list[Row]:
        return [
            row for row in self.observations
            if by_machine(row) == (method == "machine") and is_of_medium(row) == (level == "media")
        ]  # fmt: skip


_decoder, _encoder = msgspec.json.Decoder(ImportedEvent), msgspec.json.Encoder()


def pack(event: ImportedEvent) -> bytes:
    """An event as bytes (JSON); the catalogue stores them in the column of a trap's record."""
    return _encoder.encode(event)


def unpack(content: bytes) -> ImportedEvent:
    """The event that `pack` encoded."""
    return _decoder.decode(content)


def _moved(row: Row, columns: tuple[str, ...], by: timedelta) -> Row:
    try:
        return row | {column: (moment(row[column]) + by).isoformat() for column in columns}
    except OverflowError:  # the moved time is outside of the years 1 to 9999
        return row


def label_of(row: Row) -> str | None:
    """The label of an observation; None if it is unclassified."""
    if (tag := tag_of(row)) is not None:
        return tag[:80]
    kind, name = row["observationType"], row.get("scientificName", "")
    if kind == "animal" and name:
        taxon = shipped_checklist().find(name)
        return taxon.label if taxon else name[:80]
    return _OTHERS.get(kind)


def probability(row: Row) -> float | None:
    """The classifier's probability, clipped to [0, 1]; None if the row has none."""
    try:
        value = float(row.get("classificationProbability", ""))
    except ValueError:
        return None
    return min(1.0, max(0.0, value))


def _majority(rows: list[Row]) -> list[Row]:
    """One row with the most frequent label, as a list; `blank` counts only if there is no other label."""
    labels = Counter(label for row in rows if (label := label_of(row)) is not None)
    for most, _ in sorted(labels.items(), key=lambda item: (item[0] == "blank", -item[1])):
        return [next(row for row in rows if label_of(row) == most)]
    return []


def _human_classification(
    row: Row, label: str, machine: MachineClassification | None, ended_at: datetime
) -> HumanClassification:
    classified_at = row.get("classificationTimestamp")
    expected = THE_ANIMAL if machine is None else machine.label
    denied = label.removeprefix("not_") if label.startswith("not_") and machine is None else ""
    rejected = denied or label == f"not_{expected}"
    verdict = "confirmed" if label == expected else "rejected" if rejected else "relabelled"
    named = None if rejected else label
    denied = (denied or expected) if rejected else ""
    at = moment(classified_at) if classified_at else ended_at
    person, known = row.get("classifiedBy", "(survey)")[:64], row["observationID"][:255]
    return HumanClassification(verdict, named, denied, _details(row), person, at, known)


def _of_sequence(row: Row, label: str) -> MachineClassification | None:
    """The classification by the tags of an uncia station (score and verdict of the sequence); None without them."""
    verdict, score = tag_of(row, "verdict:"), probability({"classificationProbability": tag_of(row, "score:") or ""})
    if verdict is None or score is None:
        return None
    name, positive, model = label.removeprefix("not_"), verdict == "positive", row.get("classifiedBy", "")[:255]
    return MachineClassification(name if positive else f"not_{name}", name, score, positive, model)


def _details(row: Row) -> dict[str, Any]:
    """Count, sex, life stage, certainty and note of an observation; a value that the catalogue lacks is left out."""
    number, sex, stage = (row.get(name, "") for name in ("count", "sex", "lifeStage"))
    certainty = tag_of(row, "certainty:") or ""
    counted = number.isascii() and number.isdigit() and len(number) < 10 and 1 <= int(number) <= MOST_COUNTED
    return {
        "count": int(number) if counted else None,
        "sex": sex if sex in SEXES else "",
        "life_stage": stage if stage in LIFE_STAGES else "",
        "certainty": certainty if certainty in CERTAINTIES else "",
        "note": row.get("observationComments", "")[:LONGEST_NOTE],
    }


def _score(row: Row) -> float | None:
    known = probability(row)
    if known is None:
        return None
    return known if row["observationType"] == "animal" else 1.0 - known


def _box(row: Row) -> str | None:
    try:
        sides = [float(row[name]) for name in ("bboxX", "bboxY", "bboxWidth", "bboxHeight")]
    except (KeyError, ValueError):
        return None
    return region_text(sides) if _inside(sides) else None


def _inside(sides: Iterable[float]) -> bool:
    return all(0.0 <= side <= 1.0 for side in sides)

"""One event of an imported survey, and what it means in the catalogue's words.

Decides: #1 the machine's classification is the event's machine observation, else its media's most probable one;
#2 `positive` is what a machine took for the animal: `snow_leopard`, or the label that an uncia wrote down; #3 people's
classification is the event's human observations, else what most of its media's human observations say; #4 their verdict
is `confirmed` where it agrees with the machine (or, without a machine, names the animal), `rejected` where it says
`not_<label>`, else `relabelled`; several observations of the event are one answer.
The rows themselves are kept as they came: an export writes them again.
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
    """How a machine classified an event: label, its probability, whether it is the animal, by which model.

    `full_label` is the label with its `not_`, where the machine wrote what it is not.
    """

    full_label: str
    label: str
    confidence: float
    positive: bool
    model: str


@dataclass(frozen=True)
class HumanClassification:
    """How a person classified it; `observation` is the row that says so, `label` None: not what the machine says."""

    verdict: str
    label: str | None
    denied: str  # what it is not, where the verdict is `rejected`
    told: dict[str, Any]  # count, sex, life_stage, certainty, note
    person: str
    at: datetime
    observation: str


class ImportedEvent(Struct, frozen=True):
    """Rows of the standard's tables, empty values left out. `event` is the eventID, or made of a media's id.

    `sequence` is CATALOGUE/ID, where an uncia wrote the rows.
    """

    deployment: str
    event: str
    media: tuple[Row, ...]
    observations: tuple[Row, ...]
    sequence: str = ""

    @property
    def started_at(self) -> datetime:
        """When its first observation or picture began."""
        return min(self._moments("eventStart"))

    @property
    def ended_at(self) -> datetime:
        """When its last one ended."""
        return max(self._moments("eventEnd"))

    def _moments(self, column: str) -> list[datetime]:
        times = [row["timestamp"] for row in self.media]
        if not (self.sequence and times):  # of an uncia: rows of the whole event have the event's times
            times += [row[column] for row in self.observations]
        return [moment(time) for time in times]

    def moved(self, by: timedelta) -> "ImportedEvent":
        """The same event with its times corrected, as a deployment's clock was."""
        media = tuple(_moved(row, ("timestamp",), by) for row in self.media)
        observations = tuple(_moved(row, ("eventStart", "eventEnd"), by) for row in self.observations)
        return structs.replace(self, media=media, observations=observations)

    def machine(self) -> MachineClassification | None:
        """#1, #2; None where no machine looked."""
        rows = self._by("machine", "event") or self._by("machine", "media")
        if not rows:
            return None
        best = max(rows, key=lambda row: (row["observationType"] == "animal", probability(row) or 0.0))
        label, known = label_of(best) or UNCLASSIFIED, probability(best)
        if (told := _of_sequence(best, label)) is not None:
            return told
        sure, model = 1.0 if known is None else known, best.get("classifiedBy", "")[:255]
        if label.startswith("not_"):
            return MachineClassification(label, label.removeprefix("not_"), 1.0 - sure, False, model)
        ours = tag_of(best) is not None or label == THE_ANIMAL
        return MachineClassification(label, label, sure, ours and best["observationType"] == "animal", model)

    def people(self) -> list[HumanClassification]:
        """#3, #4; the last one stands."""
        labelled = [row for row in self._by("human", "event") if label_of(row) is not None]
        rows, machine = labelled or _majority(self._by("human", "media")), self.machine()
        labels = [(row, label_of(row)) for row in rows]
        return [_human_classification(row, label, machine, self.ended_at) for row, label in labels if label is not None]

    @property
    def label(self) -> str:
        """What the catalogue says that was looked for: the machine's label, else the animal where people saw it."""
        if (machine := self.machine()) is not None:
            return machine.label
        people = self.people()
        if any(person.verdict == "confirmed" for person in people):
            return THE_ANIMAL
        denied = (person.denied for person in people if person.denied)
        return next(denied, UNCLASSIFIED)

    @property
    def machine_label(self) -> str:
        """What it shows before anybody here has reviewed it: the machine's full label."""
        machine = self.machine()
        return UNCLASSIFIED if machine is None else machine.full_label

    def scientific_names(self) -> dict[str, str]:
        """The scientific name that its rows give each label."""
        named = [row for row in self.observations if row["observationType"] == "animal" and "scientificName" in row]
        return {label: row["scientificName"] for row in named if (label := label_of(row)) is not None}

    def labels(self) -> dict[int, str]:
        """What people said of single pictures, by their number in `media`."""
        labels = {row["mediaID"]: label_of(row) for row in self._by("human", "media") if "mediaID" in row}
        return {n: label for n, row in enumerate(self.media) if (label := labels.get(row["mediaID"])) is not None}

    def scores(self) -> dict[str, tuple[float | None, str | None]]:
        """(score, box as the catalogue writes regions) of each media that a machine looked at."""
        return {row["mediaID"]: (_score(row), _box(row)) for row in self._by("machine", "media") if "mediaID" in row}

    def _by(self, method: str, level: str) -> list[Row]:
        return [
            row for row in self.observations
            if by_machine(row) == (method == "machine") and is_of_medium(row) == (level == "media")
        ]  # fmt: skip


_decoder, _encoder = msgspec.json.Decoder(ImportedEvent), msgspec.json.Encoder()


def pack(event: ImportedEvent) -> bytes:
    """As the catalogue keeps it in place of a trap's record."""
    return _encoder.encode(event)


def unpack(content: bytes) -> ImportedEvent:
    """What `pack` made."""
    return _decoder.decode(content)


def _moved(row: Row, columns: tuple[str, ...], by: timedelta) -> Row:
    try:
        return row | {column: (moment(row[column]) + by).isoformat() for column in columns}
    except OverflowError:  # led out of what a date can be
        return row


def label_of(row: Row) -> str | None:
    """What an observation calls what it shows; None where nobody has looked yet."""
    if (tag := tag_of(row)) is not None:
        return tag[:80]
    kind, name = row["observationType"], row.get("scientificName", "")
    if kind == "animal" and name:
        taxon = shipped_checklist().find(name)
        return taxon.label if taxon else name[:80]
    return _OTHERS.get(kind)


def probability(row: Row) -> float | None:
    """How sure the classifier was, in [0, 1]."""
    try:
        value = float(row.get("classificationProbability", ""))
    except ValueError:
        return None
    return min(1.0, max(0.0, value))


def _majority(rows: list[Row]) -> list[Row]:
    """One row of the label that most say, what is empty not counted where anything else is said."""
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
    return HumanClassification(verdict, named, denied, _told(row), person, at, known)


def _of_sequence(row: Row, label: str) -> MachineClassification | None:
    """What an uncia tagged a medium's row with: the score and the verdict of its sequence."""
    verdict, score = tag_of(row, "verdict:"), probability({"classificationProbability": tag_of(row, "score:") or ""})
    if verdict is None or score is None:
        return None
    name, positive, model = label.removeprefix("not_"), verdict == "positive", row.get("classifiedBy", "")[:255]
    return MachineClassification(name if positive else f"not_{name}", name, score, positive, model)


def _told(row: Row) -> dict[str, Any]:
    """What an observation says besides its label, in the catalogue's words; what is none of them is left out."""
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

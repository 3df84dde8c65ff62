"""Makes the rows of Camtrap DP's media and observations from a sequence of a trap.

Decides how the catalogue's terms become the standard's:
#1 People's observations are at event level, once for each event and taxon: those of the sequence that represents the
   event (`speaking_sequences`). The observations of its other sequences are at media level, with the best picture; if
   the package has no picture of the sequence, they are `unclassified` at event level.
#1a Only the checklist gives type and scientific name. A word that it lacks is `unknown` with the word as a comment, and
   so is the answer "not what the model says".
#2 The machine's observations are at media level: `animal` with its probability if the frame reached the threshold, else
   `unknown`, because the model does not look for other animals. A frame that was not scored is `unclassified`.
#3 Every row has the tag `sequence:CATALOGUE/ID`; the machine's rows also have the sequence's score and verdict. So an
   event of several sequences is imported as several. A person's row has the event's start and end (`catalogue.events`).
#4 A test sighting is marked as the set-up of the camera, and is `unclassified` until a person classifies it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from uncia_collector.catalogue.regions import region_of
from uncia_collector.exports.sequences import ExportedSequence, media_id
from uncia_collector.observations.checklist import Checklist
from uncia_contract.archive.camtrap_tables import Row, box, machine_answer

CERTAIN = {"certain": 1.0, "probable": 0.8, "possible": 0.5}  # approximate: the standard requires a number


@dataclass(frozen=True)
class CamtrapRows:
    """Makes the rows of one catalogue's sequences. `catalogue` is the catalogue's part of the tags (#3)."""

    checklist: Checklist
    catalogue: str = ""

    def media(self, item: ExportedSequence) -> Iterator[Row]:
        """The rows of media: one for each stored frame."""
        for frame in item.frames:
            yield {
                "mediaID": media_id(frame), "deploymentID": deployment_id(item), "captureMethod": "activityDetection",
                "timestamp": utc(item.taken_at(frame)), "filePath": frame.path, "filePublic": "false",
                "fileName": frame.name, "fileMediatype": "image/jpeg",
                "favorite": str(item.row.review == "confirmed").lower(),
            }  # fmt: skip

    def observations(self, item: ExportedSequence) -> Iterator[Row]:
        """The rows of observations: people's (#1), then the machine's (#2)."""
        yield from self.of_people(item)
        for frame in item.frames:
            yield self._of_frame(item, frame)

    def of_people(self, item: ExportedSequence) -> Iterator[Row]:
        """One row for each observation that counts (#1).

        Of a survey's sequence that no uncia station wrote: only observations made here, because the survey's own rows
        are exported unchanged.
        """
        row = item.row
        for said in item.observations if item.event is None or item.event.sequence else item.said_here:
            yield {
                "observationID": said.observation or f"{row.trap}:{row.id}:human:{said.key}",
                "deploymentID": deployment_id(item), "eventID": item.event_id(said),
                "count": said.count, "lifeStage": said.life_stage, "sex": said.sex,
                "classificationMethod": "human", "classifiedBy": said.reviewer,
                "classificationTimestamp": utc(said.at), "classificationProbability": CERTAIN.get(said.certainty),
                "observationComments": said.note,
            } | self._taxon(item, said) | _level(item, said)  # fmt: skip

    def _taxon(self, item: ExportedSequence, said: Any) -> Row:
        """Type, scientific name and tags of a person's observation (#1a)."""
        label = {"confirmed": item.row.label, "rejected": f"not_{item.row.label}"}.get(said.verdict, said.taxon)
        tags = [f"label:{label}", self._sequence(item), "test" if item.row.test else ""]
        tags += [f"certainty:{said.certainty}"] if said.certainty else []
        known = self.checklist.find(said.taxon)
        named = "" if item.event is None else item.event.scientific_names().get(str(said.taxon), "")
        if known is None and not named:
            word = f"not {item.row.label}" if said.taxon is None else str(said.said or said.taxon)
            comment = f"{word}: {said.note}" if said.note else word
            return {"observationType": "unknown", "observationComments": comment, "observationTags": _joined(tags)}
        kind, name = ("animal", named) if known is None else (known.kind, known.scientific_name)
        return {"observationType": kind, "scientificName": name, "observationTags": _joined(tags)}

    def _of_frame(self, item: ExportedSequence, frame: Any) -> Row:
        """The machine's row for a frame (#2)."""
        row, moment = item.row, utc(item.taken_at(frame))
        known: Row = {
            "observationID": f"{media_id(frame)}:machine", "deploymentID": deployment_id(item),
            "mediaID": media_id(frame), "eventID": item.event_id(), "eventStart": moment, "eventEnd": moment,
            "observationLevel": "media",
        }  # fmt: skip
        if frame.score is None or row.test:  # #4
            setup = {"cameraSetupType": "setup"} if row.test else {}
            unlabelled = _joined([self._sequence(item), "test" if row.test else ""])
            return known | setup | {"observationType": "unclassified", "observationTags": unlabelled}
        positive = frame.score >= row.threshold
        answer = machine_answer(row.label, positive, frame.score, row.probabilities)
        verdict = "positive" if row.positive else "negative"
        tags = [
            str(answer["observationTags"]),
            self._sequence(item),
            f"score:{row.confidence:.6f}",
            f"verdict:{verdict}",
        ]
        answer["observationTags"] = _joined(tags)
        if positive:
            taxon = self.checklist.find(row.label)
            answer |= {"scientificName": taxon.scientific_name if taxon else ""} | _box(frame)
        else:
            answer["observationType"] = "unknown"
        return known | answer | {
            "classificationMethod": "machine", "classifiedBy": f"{row.bundle} {row.bundle_version}",
            "classificationTimestamp": utc(row.received_at),
        }  # fmt: skip

    def _sequence(self, item: ExportedSequence) -> str:
        """The tag of a sequence (#3); an imported sequence keeps its own tag, or has none."""
        known = f"{self.catalogue}/{item.row.id}" if item.event is None else item.event.sequence
        return f"sequence:{known}" if known else ""


def _level(item: ExportedSequence, said: Any) -> Row:
    """Level, start and end of a person's observation (#1)."""
    group, row = item.group(said), item.row
    whole: Row = {"eventStart": utc(row.started_at), "eventEnd": utc(max(row.started_at, row.ended_at))}
    whole["observationLevel"] = "event"
    if item.event is not None and not item.event.sequence:
        return whole
    if group.label in item.speaks_for:
        return whole | {"eventStart": utc(group.started_at), "eventEnd": utc(group.ended_at)}
    if (best := _best_medium(item)) is None:
        return whole | {"observationType": "unclassified", "scientificName": ""}
    return {"observationLevel": "media", "mediaID": best[0], "eventStart": best[1], "eventEnd": best[1]}


def _best_medium(item: ExportedSequence) -> tuple[str, str] | None:
    """Id and time of the best picture of a sequence, of a trap's only if it is stored; None without a picture."""
    if item.event is not None:
        row = item.event.media[item.row.best_frame] if item.event.media else None
        return None if row is None else (row["mediaID"], row["timestamp"])
    frame = min(item.frames, key=lambda one: one.n != item.row.best_frame, default=None)
    return None if frame is None else (media_id(frame), utc(item.taken_at(frame)))


def _joined(tags: list[str]) -> str:
    """The tags, joined by `|`. A `|` inside of a tag becomes `/`, so that a trap's label cannot add tags."""
    return "|".join(tag.replace("|", "/") for tag in tags if tag)


def utc(moment: datetime) -> str:
    """A time as the standard writes it: UTC, in whole seconds."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def deployment_id(item: ExportedSequence) -> str:
    """The id of the sequence's deployment; empty without one."""
    return "" if item.place is None else item.place.id


def _box(frame: Any) -> Row:
    region = region_of(frame.region)
    return {} if region is None else box(region.left, region.top, region.width, region.height)

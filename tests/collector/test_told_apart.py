"""Sightings of a bundle with two positive labels: each has its own label on pages, in alerts and in exports."""

import csv
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from uncia_collector.catalogue import gallery
from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.filters import Filters
from uncia_collector.catalogue.listing import listing
from uncia_collector.catalogue.people import People
from uncia_collector.catalogue.recall import miss_rates
from uncia_collector.catalogue.review import review
from uncia_collector.catalogue.schema import sequences
from uncia_collector.catalogue.sightings import count_by_place, count_sightings, places
from uncia_collector.exports.kinds import Request, export
from uncia_collector.settings import AlertSettings, CollectorSettings
from uncia_collector.station.alerts import Alerts, Channel
from uncia_collector.web.app import make_app

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
PREY = {"snow_leopard": 0.125, "prey": 0.75}
LEOPARD = {"snow_leopard": 0.5, "prey": 0.25}


@pytest.fixture
def told(stored, make_sequence, tmp_path):
    """Sequences of prey and of a leopard, an empty audit, and a deployment of the trap."""
    for hours, known, label, each, score in (
        (3, "prey", "prey", PREY, 0.875), (2, "leopard", "snow_leopard", LEOPARD, 0.75),
        (1, "audit", "snow_leopard", {"snow_leopard": 0.0625, "prey": 0.03125}, 0.09375),
    ):  # fmt: skip
        sent = make_sequence(
            id=known, label=label, probabilities=each, score=score, positive=score > 0.5, audit=score < 0.5,
            started_at=NOW - timedelta(hours=hours),
        )  # fmt: skip
        stored.commit(*sent.messages())
    table = tmp_path / "places.csv"
    table.write_text("deploymentID,latitude,longitude,deploymentStart,cameraID\nd1,36.9,73.0,2026-01-01,ridge\n")
    read_deployments(table, stored.database)
    return stored


def exported(told, kind: str) -> bytes:
    """The exported file of that kind."""
    stream = io.BytesIO()
    with told.database.reading() as connection:
        export(kind, Request(connection, "Station", told.root, NOW), stream)
    return stream.getvalue()


def ids_of(told, **filters) -> list[str]:
    """The gallery's sequences under these filters."""
    with told.database.reading() as connection:
        return sorted(row.id for row in gallery.page(connection, Filters(**filters), UTC).rows)


def test_the_catalogue_keeps_each_labels_probability(told, sent):
    """The highest first; a record with one label has no probabilities."""
    told.commit(*sent.messages())
    with told.database.reading() as connection:
        rows = connection.execute(select(sequences.c.id, sequences.c.probabilities)).all()
    found = {row.id: row.probabilities for row in rows}
    assert list(found["prey"].items()) == [("prey", 0.75), ("snow_leopard", 0.125)] and found["leopard"] == LEOPARD
    assert found[sent.id] is None
    assert {row["id"]: row["label"] for row in listing(told.database)}["prey"] == "prey"


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({"label": "prey"}, ["prey"]),
        ({"label": "snow_leopard", "state": "open"}, ["leopard"]),
        ({"label": "snow_leopard", "trap": "ridge"}, ["audit", "leopard"]),
        ({"min_score": 0.7}, ["leopard", "prey"]),
    ],
    ids=["prey", "leopards to review", "of one trap", "score: of both together"],
)
def test_the_gallery_filters_by_label(told, filters, ids):
    """The score is that of all positive labels together, like the threshold."""
    assert ids_of(told, **filters) == ids


def test_the_page_names_it_and_shows_each_probability(told):
    """On the gallery's card and the sequence's page; one key selects the other label, and `No` means neither."""
    People(told.database).set_user("anara", "snow and rocks", "reviewer", NOW)
    client = TestClient(make_app(CollectorSettings(data=str(told.root)), told.database))
    client.post("/login", data={"name": "anara", "password": "snow and rocks"})
    cards, page = client.get("/").text, client.get("/sequences/ridge/leopard").text
    assert "<span>Prey</span>" in cards and "<span>Snow leopard</span>" in cards
    assert "Snow leopard 50, Prey 25; the sum decides." in page
    assert "Yes, Snow leopard" in page and "None of them" in page and "Prey <kbd>1</kbd>" in page


def test_an_alert_names_it(told):
    """In the mail's subject and in the text, with each probability; the digest counts by label."""
    alerts, sent = Alerts(CollectorSettings(data=str(told.root), alerts=AlertSettings()), told.database), []
    alerts.channels = [Channel("mail", lambda subject, content: sent.append((subject, content)))]
    alerts.send_due(NOW)
    alerts.send_due(NOW + timedelta(hours=1))
    subjects = [subject for subject, _ in sent]
    assert sorted(subjects[:2]) == [
        "Base station: sighting of prey ridge/prey", "Base station: sighting of snow_leopard ridge/leopard",
    ]  # fmt: skip
    assert {content["label"]: content["probabilities"] for _, content in sent[:2]} == {
        "prey": PREY, "snow_leopard": LEOPARD,
    }  # fmt: skip
    assert sent[2][1]["labels"] == {"prey": 1, "snow_leopard": 1}


def test_scores_and_megadetector_json_have_each_label(told):
    """In the same form as `uncia-train score` writes them for an archive."""
    rows = {row["sequence"]: row for row in csv.DictReader(exported(told, "scores").decode().splitlines())}
    results = json.loads(exported(told, "megadetector"))
    named = results["classification_categories"]
    classes = {
        image["file"].split("/")[-1].split("-")[0]: [named[n] for n, _ in image["detections"][0]["classifications"]]
        for image in results["images"]
    }
    assert (rows["prey"]["label"], json.loads(rows["prey"]["probabilities"])) == ("prey", PREY)
    assert ["prey", "snow_leopard", "other"] in classes.values() and [
        "snow_leopard",
        "prey",
        "other",
    ] in classes.values()


def test_coco_and_camtrap_dp_call_it_by_its_label(told):
    """In Camtrap DP the probability is the label's own; the comment has all of them."""
    coco = json.loads(exported(told, "coco"))
    assert {"prey", "snow_leopard", "not_snow_leopard"} <= {category["name"] for category in coco["categories"]}
    with zipfile.ZipFile(io.BytesIO(exported(told, "camtrap-dp"))) as package:
        rows = [*csv.DictReader(package.read("observations.csv").decode().splitlines())]
    media = {row["observationID"]: row for row in rows if row["observationLevel"] == "media"}
    prey, nothing = media["ridge:prey:0:machine"], media["ridge:audit:0:machine"]
    assert (prey["observationTags"].split("|")[0], prey["classificationProbability"]) == ("label:prey", "0.75")
    assert prey["observationComments"] == (
        "prey or snow_leopard: 0.875 together; over the sequence prey 0.750, snow_leopard 0.125"
    )
    assert nothing["observationComments"].startswith("no snow_leopard or prey at the threshold")


@pytest.mark.parametrize(
    ("label", "counts"),
    [("", 2), ("prey", 2), ("snow_leopard", 0), ("wolf", 1)],
    ids=["all", "prey", "leopard", "a name that is asked for"],
)
def test_a_sighting_renamed_to_the_other_label_counts_for_that_label(told, label, counts):
    """By hour, week and place; renamed to anything else it is no sighting, and counts only for that name."""
    review(told.database, ("ridge", "leopard"), "relabelled", "anara", NOW, "prey")
    review(told.database, ("ridge", "audit"), "relabelled", "anara", NOW, "wolf")
    with told.database.reading() as connection:
        since = NOW - timedelta(days=30)
        found = count_sightings(connection, since, UTC, until=NOW, label=label)
        there = count_by_place(connection, places(connection, since), since, label)
    assert (sum(found.by_hour), sum(found.by_trap.values()), sum(there.values())) == (counts, counts, counts)


@pytest.mark.parametrize(("label", "missed"), [("prey", 1), ("snow_leopard", 1), ("wolf", 0), ("pre", 0)], ids=str)
def test_a_rejected_sequence_that_showed_either_was_missed(told, label, missed):
    """Whichever of the two labels had the higher probability."""
    review(told.database, ("ridge", "audit"), "relabelled", "anara", NOW, label)
    with told.database.reading() as connection:
        assert [rate.missed for rate in miss_rates(connection)] == [missed, missed]


def test_training_uses_the_highest_frames_of_a_renamed_sequence(told, make_sequence, make_jpeg):
    """The other frames may be empty; of a sequence with none of the labels, every frame is used."""
    for known, name in (("renamed", "prey"), ("wolf", "wolf")):
        pictures = [make_jpeg(n + 20 * (name == "wolf")) for n in range(4)]
        sent = make_sequence(id=known, probabilities=LEOPARD, score=0.25, pictures=pictures)
        told.commit(*sent.messages())
        review(told.database, ("ridge", known), "relabelled", "anara", NOW, name)
    rows = [row["label"] for row in csv.DictReader(exported(told, "training").decode().splitlines())]
    assert sorted(rows) == ["prey", *["wolf"] * 4]

"""Camtrap DP packages of several programs, read as labelled pictures."""

import json
import shutil
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time

import pytest

from support.camtrap import BY_MACHINE, DEPLOYMENT, medium, observation, write_package
from uncia_contract.datasets.camtrap_labels import read_camtrap_dp
from uncia_contract.errors import DataError
from uncia_contract.pictures.picture_sum import PictureNotes

LEOPARD = ("Panthera_uncia",)
IBEX = {"scientificName": "Capra sibirica"}
BLANK = {"observationType": "blank", "scientificName": ""}
TWO = [medium("m1"), medium("m2", "08:00:03")]


@pytest.fixture
def read(tmp_path):
    """Write a package and read it: (file, label, sequence) of each picture."""

    def written(media, observations, deployments=(DEPLOYMENT,), positive=LEOPARD):
        package = write_package(tmp_path / "package", media, observations, deployments)
        return [(one.file, one.label, one.sequence) for one in read_camtrap_dp(package, positive)]

    return written


def test_event_ids_are_unique_within_a_deployment_alone(read):
    """Two deployments with an event 1: each keeps its own animal and sequence."""
    other = {"deploymentID": "d2"}
    found = read(
        [medium("m1"), medium("m2", **other)],
        [observation("a", eventID="1"), observation("b", eventID="1", **other, **IBEX)],
        [DEPLOYMENT, DEPLOYMENT | other],
    )
    assert found == [
        ("media/m1.jpg", "Panthera_uncia", "d1 1"),
        ("media/m2.jpg", "Capra sibirica", "d2 1"),
    ]


def test_events_without_ids_are_sequences(read):
    """By start and end; media without an event by the burst rule."""
    found = read([*TWO, medium("m3", "09:00:00")], [observation("a"), observation("b", mediaID="m3", **IBEX)])
    span = "2026-05-01T08:00:00Z/2026-05-01T08:00:10Z"
    assert [(label, sequence) for _, label, sequence in found] == [
        ("Panthera_uncia", span),
        ("Panthera_uncia", span),
        ("Capra sibirica", "media m3"),
    ]


def test_two_cameras_at_one_place_are_not_one_burst(read):
    """Paired cameras without events: each camera's pictures form a sequence."""
    other = {"deploymentID": "d2"}
    media = [
        medium("m1"),
        medium("m2", "08:00:01", **other),
        medium("m3", "08:00:02"),
        medium("m4", "08:00:03", **other),
    ]
    said = [observation(row["mediaID"], mediaID=row["mediaID"], deploymentID=row["deploymentID"]) for row in media]
    found = read(media, said, [DEPLOYMENT, DEPLOYMENT | other])
    assert {file[6:8]: sequence for file, _, sequence in found} == {
        "m1": "media m1", "m3": "media m1", "m2": "media m2", "m4": "media m2"}  # fmt: skip


def test_what_is_left_out_is_counted_by_reason(tmp_path):
    """A video, a HEIC, a medium without an observation, and one of unknown content."""
    kinds = {"v": "video/mp4", "h": "image/heic", "r": "image/x-canon-cr2"}
    media = [*TWO, medium("m3", "09:00:00"), medium("m4", "10:00:00")]
    media += [medium(name, "08:00:05", fileMediatype=kind) for name, kind in kinds.items()]
    unknown = observation("b", mediaID="m4", observationType="unknown", scientificName="")
    notes = PictureNotes()
    found = read_camtrap_dp(write_package(tmp_path, media, [observation("a"), unknown]), LEOPARD, notes=notes)
    assert (len(found), notes.left_out) == (2, {"video": 1, "heic": 1, "other_format": 1, "unlabelled": 2})


def test_positive_wins_where_an_event_has_several(read):
    """Ibex and snow leopard: the positive label counts, with either spelling."""
    both = [observation("a", **IBEX), observation("b")]
    assert [label for _, label, _ in read(TWO, both)] == ["Panthera_uncia"] * 2
    assert [label for _, label, _ in read(TWO, both, positive=("Panthera uncia",))] == ["Panthera uncia"] * 2
    assert [label for _, label, _ in read(TWO, both, positive=())] == ["Capra sibirica"] * 2


def test_a_label_that_differs_from_a_positive_one_only_in_writing_is_refused(read):
    """Also where the medium shows another animal too; the message names both labels and the observation."""
    author = observation("b", scientificName="Panthera uncia (Schreber, 1775)")
    with pytest.raises(DataError, match=r"observations\.csv: b: label 'Panthera uncia \(Sch.*'Panthera_uncia' only in"):
        read(TWO, [observation("a", **IBEX), author])


def test_a_machines_label_counts_where_no_person_classified(read, caplog):
    """A person's ibex counts before a machine's leopards; the other event has the machine's label."""
    later = {"eventStart": "2026-05-01T09:00:00Z", "eventEnd": "2026-05-01T09:00:09Z", "eventID": "2"}
    found = read(
        [*TWO, medium("m3", "09:00:00")],
        [
            observation("a", eventID="1", **BY_MACHINE),
            observation("b", eventID="1", mediaID="m1", **BY_MACHINE),
            observation("c", eventID="1", **IBEX),
            observation("d", **later, **BY_MACHINE),
        ],
    )
    assert [label for _, label, _ in found] == ["Capra sibirica", "Capra sibirica", "Panthera_uncia"]
    assert caplog.messages[-1].endswith("3 media: 3 labelled (1 by a machine alone)")


def test_time_lapse_is_no_picture_of_the_events_animal(read):
    """A time-lapse picture during the visit is left out; with an observation of its own it stays."""
    lapse = [medium("m2", "08:00:03", captureMethod="timeLapse"), medium("m3", "08:00:06", captureMethod="timeLapse")]
    found = read([medium("m1"), *lapse], [observation("a", eventID="1"), observation("b", mediaID="m3", **BLANK)])
    assert found == [("media/m1.jpg", "Panthera_uncia", "1"), ("media/m3.jpg", "blank", "media m2")]


TYPES = [
    "image/jpeg",
    "image/JPEG",
    "IMAGE/JPG",
    "image/pjpeg",
    "image/png",
    "image/tiff",
    "image/webp",
    "image/jpeg; charset=binary",
]


@pytest.mark.parametrize("kind", TYPES)
def test_media_types_are_read_in_any_case(read, kind):
    """JPEG, PNG, TIFF, WebP."""
    assert len(read([medium("m1", fileMediatype=kind)], [observation("a")])) == 1


def test_what_is_left_out_is_counted(read, caplog):
    """Videos, other formats, media that nobody classified or of unknown content; the sum is all media."""
    kinds = ["image/jpeg", "video/mp4", "image/heic", "image/jpeg", "image/jpeg"]
    media = [medium(f"m{n}", f"0{n}:00:00", fileMediatype=kind) for n, kind in enumerate(kinds, start=1)]
    unknown = {"observationType": "unknown", "scientificName": ""}
    said = [observation(f"o{n}", mediaID=f"m{n}") for n in (1, 2, 3)] + [observation("o5", mediaID="m5", **unknown)]
    assert [file for file, _, _ in read(media, said)] == ["media/m1.jpg"]
    assert caplog.messages[-1].endswith(
        "5 media: 1 labelled, 1 of type image/heic, 1 of type video/mp4, 1 of which it is unknown what they show, "
        "1 that nobody classified"
    )


def test_nothing_is_logged_where_nothing_is_left_out(read, caplog):
    """All media classified by people, all times with offsets."""
    read(TWO, [observation("a")])
    assert caplog.messages == []


def test_a_package_without_labelled_pictures_is_refused(read):
    """One line with the reasons."""
    with pytest.raises(DataError, match=r"none of 1 media .* classified \(1 that nobody classified\)$"):
        read([medium("m1", "12:00:00")], [observation("a")])


def test_times_have_their_deployments_zone_and_it_is_logged(read, caplog, tmp_path):
    """13:00 without an offset is 08:00 UTC if the deployment's clock is five hours ahead."""
    found = read([medium("m1", "2026-05-01T13:00:00")], [observation("a", eventID="1")])
    assert found == [("media/m1.jpg", "Panthera_uncia", "1")]
    assert [one.datetime for one in read_camtrap_dp(tmp_path / "package")] == ["2026-05-01T13:00:00+05:00"]
    assert caplog.messages[0].endswith("package: times that name no offset: 1 taken with their deployment's")


def test_equal_file_names_at_two_addresses_are_two_files(read):
    """A unique name is beside the package; equal names are below their deployments, then below their media."""
    other = {"deploymentID": "d2"}

    def at(name: str, file: str, **more: str) -> dict[str, str]:
        return medium(name, filePath=f"https://x.org/{name}/file", **({"fileName": file} if file else {}), **more)

    media = [at("m1", "I1.JPG"), at("m2", "I2.JPG"), at("m3", "I2.JPG", **other), at("m4", ""), at("m5", "")]
    said = [observation("a"), observation("b", **other)]
    found = read(media, said, [DEPLOYMENT, DEPLOYMENT | other])
    assert sorted(file for file, _, _ in found) == [
        "I1.JPG", "d1/I2.JPG", "d1/m4/file", "d1/m5/file", "d2/I2.JPG"]  # fmt: skip


@pytest.mark.heavy
def test_twenty_thousand_events_are_read_in_seconds(tmp_path):
    """Each with three pictures that have only times."""
    start = datetime(2026, 1, 2, tzinfo=UTC)
    begun = [f"{start + timedelta(minutes=10 * n):%Y-%m-%dT%H:%M:}" for n in range(20_000)]
    media = [medium(f"m{n}-{second}", f"{time}0{second}Z") for n, time in enumerate(begun) for second in range(3)]
    said = [
        observation(f"o{n}", eventID=f"e{n}", eventStart=f"{time}00Z", eventEnd=f"{time}09Z")
        for n, time in enumerate(begun)
    ]
    package = write_package(tmp_path / "many", media, said)
    before = process_time()
    found = read_camtrap_dp(package)
    assert process_time() - before < 10
    assert {(one.file[6:].partition("-")[0][1:], one.sequence[1:]) for one in found} == {
        (str(n), str(n)) for n in range(20_000)
    }


ROWS = {
    "a medium twice": ([medium("m1"), medium("m1")], [observation("a")], "line 3: id 'm1' is there twice"),
    "an unknown deployment": ([medium("m1", deploymentID="d9")], [observation("a")], "line 2: deploymentID 'd9'"),
    "an unknown medium": ([medium("m1")], [observation("a", mediaID="m9")], "2: mediaID 'm9' is not in .*media.csv"),
    "a medium of another deployment": (
        [medium("m1"), medium("m2", deploymentID="d2")], [observation("a"), observation("b", mediaID="m2")],
        "line 3: deploymentID 'd1', but its medium 'm2' is of 'd2'"),
    "a word of no standard": ([medium("m1")], [observation("a", observationType="cat")], "2: observationType 'cat'"),
    "no id": ([medium("")], [observation("a")], "line 2: mediaID is empty"),
    "a NUL": ([medium("m1", filePath="a\0.jpg")], [observation("a")], "line 2: a NUL in a text"),
    "no column": ([{"mediaID": "m1"}], [observation("a")], "line 1: no column 'deploymentID'"),
}  # fmt: skip


@pytest.mark.parametrize(("media", "observations", "message"), ROWS.values(), ids=ROWS)
def test_rows_with_unknown_ids_are_refused_by_line(read, media, observations, message):
    """With the same messages as the collector's import."""
    with pytest.raises(DataError, match=message):
        read(media, observations, [DEPLOYMENT, DEPLOYMENT | {"deploymentID": "d2"}])


@pytest.fixture
def zipped(tmp_path):
    """A zip of a package within a top folder."""
    package = write_package(tmp_path / "survey", TWO, [observation("a")])
    return Path(shutil.make_archive(str(tmp_path / "survey"), "zip", tmp_path, package.name))


def test_zip_of_tables_has_its_pictures_beside_it(zipped):
    """Paths are relative to the zip's folder."""
    assert [one.path for one in read_camtrap_dp(zipped)] == [zipped.parent / "media" / f"{n}.jpg" for n in ("m1", "m2")]


def test_pictures_inside_a_zip_are_refused_with_a_remedy(zipped):
    """The message names the first one."""
    with zipfile.ZipFile(zipped, "a") as made:
        made.writestr("survey/media/m1.jpg", b"")
    with pytest.raises(DataError, match=r"media/m1\.jpg is inside the zip; unpack it and name its folder"):
        read_camtrap_dp(zipped)


def test_package_in_the_manner_of_agouti(tmp_path):
    """Media at web addresses, local times, events by people with media rows by a machine: the people's labels count."""
    at = "https://multimedia.agouti.eu/assets/{}/file".format
    start = {"eventStart": "2026-05-01T13:00:00+05:00", "eventEnd": "2026-05-01T13:00:10+05:00", "eventID": "s1"}
    media = [medium(n, "2026-05-01T13:00:03+05:00", filePath=at(n), fileName=f"{n}-RCNX0001.JPG") for n in ("m1", "m2")]
    said = [
        observation("s1", **start),
        *(observation(f"{n}_1", mediaID=n, **start, **BLANK, **BY_MACHINE) for n in ("m1", "m2")),
    ]
    found = read_camtrap_dp(write_package(tmp_path / "agouti", media, said), LEOPARD)
    assert [(one.file, one.label, one.sequence) for one in found] == [
        ("m1-RCNX0001.JPG", "Panthera_uncia", "s1"),
        ("m2-RCNX0001.JPG", "Panthera_uncia", "s1"),
    ]


def test_package_in_the_manner_of_trapper_and_the_r_packages(tmp_path):
    """Tab-separated or compressed tables, NA for missing values, a profile on another server, upper-case suffixes."""
    media = [medium("m1", fileMediatype="image/JPEG", fileName="NA", exifData="NA")]
    said = [observation("o1", mediaID="NA", classificationProbability="NA", eventID="NA")]
    package = write_package(
        tmp_path / "trapper", media, said, profile="https://trapper.example.org/camtrap-dp/1.0.1/profile.json"
    )
    described = json.loads((package / "datapackage.json").read_text())
    for resource in described["resources"]:
        old = package / resource["path"]
        (package / f"{resource['name']}.tsv").write_text(old.read_text().replace(",", "\t"))
        resource |= {
            "path": f"{resource['name']}.tsv",
            "mediatype": "text/tab-separated-values",
            "schema": {"fields": []},
        }
        old.unlink()
    (package / "datapackage.json").write_text(json.dumps(described))
    assert [one.label for one in read_camtrap_dp(package, LEOPARD)] == ["Panthera_uncia"]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://a.org/x/IMG%201.JPG?size=full#top", "IMG 1.JPG"),
        ("s3://bucket/x/1.jpg", "1.jpg"),
        ("http://[::1/1.jpg", "1.jpg"),
    ],
    ids=["with a query", "of a bucket", "of no host"],
)
def test_media_at_an_address_are_expected_under_the_name_at_its_end(read, address, name):
    """For several forms of addresses."""
    assert read([medium("m1", filePath=address)], [observation("a")])[0][0] == name

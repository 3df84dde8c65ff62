"""A package is read as its datapackage.json describes it."""

import gzip
import json
import shutil
import zipfile
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from support.camtrap import DEPLOYMENT, PROFILE, medium, observation, text_of, write_package
from uncia_contract.datasets.camtrap_columns import COLUMNS
from uncia_contract.datasets.camtrap_package import CamtrapTables
from uncia_contract.errors import DataError

MEDIA = [medium("m1"), medium("m2", "08:00:03"), medium("m3", "09:00:00")]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """One deployment, three media, one observation."""
    return write_package(tmp_path / "package", MEDIA, [observation("o1")])


def described(folder: Path, **changed: object) -> None:
    """Change datapackage.json."""
    path = folder / "datapackage.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def resources(**media: object) -> list[dict[str, object]]:
    """The three resources, with that of media changed."""
    return [
        {"name": "deployments", "path": "deployments.csv"},
        {"name": "media", "path": "media.csv"} | media,
        {"name": "observations", "path": "observations.csv"},
    ]


def ids(path: Path) -> list[str]:
    """The ids of the media."""
    with CamtrapTables(path) as tables:
        return [line.row["mediaID"] for line in tables.lines("media", ("mediaID",))]


def write_list(folder: Path, second: str) -> None:
    (folder / "one.csv").write_text(text_of(MEDIA[:2]))
    (folder / "two.csv").write_text(second)


def in_order(row: dict[str, str]) -> list[str]:
    return [row.get(name, "") for name in COLUMNS["media"]]


HEADLESS = "".join(",".join(in_order(row)) + "\n" for row in MEDIA)
TURNED = text_of([dict(reversed(MEDIA[2].items()))])
# What is written, and how the resource tells it.
WRITTEN = {
    "under another name, in a folder": ({"data/pictures.csv": text_of(MEDIA)}, {"path": "data/pictures.csv"}),
    "a list of files": (
        {"a.csv": text_of(MEDIA[:2]), "b.csv": text_of(MEDIA[2:])},
        {"path": ["a.csv", "b.csv"]},
    ),
    "a list, the header in the first alone": (
        {"a.csv": text_of(MEDIA[:2]), "b.csv": text_of(MEDIA[2:], header=False)},
        {"path": ["a.csv", "b.csv"]},
    ),
    "a list, columns in another order": (
        {"a.csv": text_of(MEDIA[:2]), "b.csv": TURNED},
        {"path": ["a.csv", "b.csv"]},
    ),
    "semicolons": ({"media.csv": text_of(MEDIA, ";")}, {"dialect": {"delimiter": ";"}}),
    "semicolons as Frictionless 5 tells them": (
        {"media.csv": text_of(MEDIA, ";")},
        {"dialect": {"csv": {"delimiter": ";"}}},
    ),
    "a dialect in a file": (
        {"media.csv": text_of(MEDIA, "|"), "dialect.json": '{"delimiter": "|"}'},
        {"dialect": "dialect.json"},
    ),
    "another quote": (
        {"media.csv": text_of(MEDIA).replace("media/m1.jpg", "'media/m1,1.jpg'")},
        {"dialect": {"quoteChar": "'"}},
    ),
    "tabs by the name": ({"media.tsv": text_of(MEDIA, "\t")}, {"path": "media.tsv"}),
    "tabs by the format": ({"media.csv": text_of(MEDIA, "\t")}, {"format": "tsv"}),
    "tabs by the media type": ({"media.csv": text_of(MEDIA, "\t")}, {"mediatype": "text/tab-separated-values"}),
    "no header, the standard's columns": (
        {"media.csv": HEADLESS},
        {"dialect": {"header": False}, "schema": "https://example.org/media-table-schema.json"},
    ),
    "no header, the schema's columns": (
        {"media.csv": text_of(MEDIA, header=False)},
        {"dialect": {"header": False}, "schema": {"fields": [{"name": name} for name in MEDIA[0]]}},
    ),
    "comments and empty lines": (
        {"media.csv": "# ours\n" + text_of(MEDIA).replace("\n", "\n\n")},
        {"dialect": {"commentChar": "#"}},
    ),
    "a schema written out": ({}, {"schema": {"fields": [{"name": "mediaID", "type": "string"}]}}),
}  # fmt: skip


@pytest.mark.parametrize(("files", "told"), WRITTEN.values(), ids=WRITTEN)
def test_tables_are_read_as_their_resources_describe(package, files, told):
    """Names, lists, dialects, TSV: the same three media."""
    for name, text in files.items():
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).write_text(text)
    described(package, resources=resources(**told))
    assert ids(package) == ["m1", "m2", "m3"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "UTF8"])
def test_encodings_are_the_resources(package, encoding):
    """A place's name is read correctly."""
    named = DEPLOYMENT | {"locationName": "Höhle"}
    (package / "deployments.csv").write_text(text_of([named]), encoding=encoding)
    told = "utf-8" if encoding == "utf-8-sig" else encoding
    described(
        package, resources=[{"name": "deployments", "path": "deployments.csv", "encoding": told}, *resources()[1:]]
    )
    with CamtrapTables(package) as tables:
        assert [line.row["locationName"] for line in tables.lines("deployments")] == ["Höhle"]


def test_compressed_tables_are_read(package):
    """media.csv.gz, as the R packages write it."""
    (package / "media.csv.gz").write_bytes(gzip.compress(text_of(MEDIA).encode()))
    described(package, resources=resources(path="media.csv.gz"))
    assert ids(package) == ["m1", "m2", "m3"]


def test_missing_values_are_none(package):
    """NA and NaN, which the standard's schemas call missing."""
    (package / "media.csv").write_text(text_of([medium("m1", fileName="NA", mediaComments="NaN", favorite="")]))
    with CamtrapTables(package) as tables:
        [line] = tables.lines("media")
    assert not {"fileName", "mediaComments", "favorite"} & set(line.row)


PROFILES = {
    "1.0": PROFILE.replace("1.0.2", "1.0"),
    "1.0.1": PROFILE.replace("1.0.2", "1.0.1"),
    "1.0.2": PROFILE,
    "another host": "https://camtrap-dp.tdwg.org/profiles/1.0/camtrap-dp-profile.json",
    "a mirror with a version of its own": "https://10.0.0.2/v3.1/mirror/camtrap-dp/1.0.1/camtrap-dp-profile.json",
    "a tag": "https://github.com/tdwg/camtrap-dp/blob/v1.0.2/camtrap-dp-profile.json",
    "a file beside it": "camtrap-dp-profile.json",
    "a branch": "https://raw.githubusercontent.com/tdwg/camtrap-dp/main/camtrap-dp-profile.json",
}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_profiles_of_version_1_are_read_at_any_address(package, profile):
    """The version counts, not the address."""
    described(package, profile=profile)
    assert ids(package) == ["m1", "m2", "m3"]


REFUSED = {
    "an older version": ({"profile": PROFILE.replace("1.0.2", "0.6")}, r"expected Camtrap DP 1\.x; camtrapdp"),
    "a newer version": ({"profile": PROFILE.replace("1.0.2", "2.0")}, r"profile .*expected Camtrap DP 1\.x$"),
    "another profile": ({"profile": "tabular-data-package"}, r"expected Camtrap DP 1\.x$"),
    "a resource that is missing": ({"resources": resources()[1:]}, "names no file for 'deployments'"),
    "a path that leads out": ({"resources": resources(path="../media.csv")}, "is outside the package"),
    "an address": ({"resources": resources(path="https://x.org/m.csv")}, "is an address; download it"),
    "no path": ({"resources": resources(path=[])}, r"path \[\]; expected a file's name"),
    "an encoding that is none": ({"resources": resources(encoding="klingon")}, "unknown encoding: klingon"),
    "a delimiter of two signs": ({"resources": resources(dialect={"delimiter": "||"})}, "1-character string"),
    "a dialect that is none": ({"resources": resources(dialect=[1])}, r"dialect '\[1\]'; expected an object"),
    "a file that is not there": ({"resources": resources(path="m.csv")}, "m.csv: cannot be read: .*No such file"),
    "bytes of another encoding": ({"resources": resources(encoding="utf-16")}, "media.csv: cannot be read"),
    "resources that are no list": ({"resources": 3}, "names no file"),
}  # fmt: skip


@pytest.mark.parametrize(("changed", "message"), REFUSED.values(), ids=REFUSED)
def test_a_package_that_cannot_be_read_is_refused_in_one_line(package, changed, message):
    """It says what is wrong, and where."""
    described(package, **changed)
    with pytest.raises(DataError, match=message) as refused:
        ids(package)
    assert "\n" not in str(refused.value) and str(package) in str(refused.value)


def test_undeclared_semicolons_get_a_hint(package):
    """The message says what to write into datapackage.json."""
    (package / "media.csv").write_text(text_of(MEDIA, ";"))
    with pytest.raises(DataError, match=r"line 1: no column 'mediaID'; the header is cut at ';'.*\"delimiter\": \";\""):
        ids(package)


@pytest.mark.parametrize("levels", [100, 900, 100_000])
def test_deeply_nested_datapackage_is_one_line(package, levels):
    """No traceback at any depth."""
    (package / "datapackage.json").write_text('{"profile": ' + "[" * levels + "]" * levels + "}")
    with pytest.raises(DataError, match="nested more than 64 levels deep"):
        CamtrapTables(package)


@pytest.mark.parametrize("content", ["", "[]", "3", '{"profile": 1.0}', "{", "\udcff", '{"name": "\\u0000"}'])
def test_broken_datapackage_is_one_line(package, content):
    """Not JSON, not an object, or a wrong profile."""
    (package / "datapackage.json").write_text(content, errors="surrogateescape")
    with pytest.raises(DataError, match=r"datapackage\.json: "):
        CamtrapTables(package)


@pytest.mark.parametrize("top", ["", "survey/"])
def test_zip_holds_it_at_the_root_or_in_one_folder(package, tmp_path, top):
    """Files that a Mac adds are ignored."""
    with zipfile.ZipFile(tmp_path / "package.zip", "w") as made:
        made.writestr("__MACOSX/datapackage.json", "")
        for file in package.iterdir():
            made.write(file, top + file.name)
    assert ids(tmp_path / "package.zip") == ["m1", "m2", "m3"]


def test_zip_of_several_packages_is_refused(package, tmp_path):
    """It is not clear which one is meant."""
    with zipfile.ZipFile(tmp_path / "package.zip", "w") as made:
        for folder in ("a", "b"):
            made.write(package / "datapackage.json", f"{folder}/datapackage.json")
    with pytest.raises(DataError, match=r"holds several packages \(a/, b/\); unpack it and name one"):
        ids(tmp_path / "package.zip")


def test_media_beside_a_zip_of_tables_are_its_own(package, tmp_path):
    """First the zip's members, then files below its folder; nothing above it."""
    (tmp_path / "shelf" / "media").mkdir(parents=True)
    (tmp_path / "shelf" / "media" / "m1.jpg").write_bytes(b"beside")
    (tmp_path / "outside.jpg").write_bytes(b"outside")
    made = shutil.make_archive(str(tmp_path / "shelf" / "package"), "zip", package)
    with CamtrapTables(Path(made)) as tables:
        read = [tables.files.read(name) for name in ("media/m1.jpg", "../outside.jpg", "https://x.org/m1.jpg")]
    assert read == [b"beside", None, None]


def test_another_file_is_refused_in_one_line(tmp_path):
    """Neither a folder, nor JSON, nor a zip."""
    (tmp_path / "labels.csv").write_text("file,label\n")
    with pytest.raises(DataError, match=r"labels\.csv: cannot be read: .*its folder, datapackage\.json or zip"):
        CamtrapTables(tmp_path / "labels.csv")
    with pytest.raises(DataError, match=r"holds no datapackage\.json"):
        CamtrapTables(tmp_path / "nowhere")


def times(package: Path, zone: timezone | None = None) -> tuple[list[str], str | None]:
    """The media's times, and the note about them."""
    with CamtrapTables(package, zone) as tables:
        assert [*tables.lines("deployments")]
        return [line.row["timestamp"] for line in tables.lines("media")], tables.zone_note


OFFSETS = {
    "the deployment's": ({}, None, "+05:00", "1 taken with their deployment's"),
    "the deployment's, from its end": ({"deploymentStart": "2026-01-01T00:00:00"}, None, "+05:00",
                                       "2 taken with their deployment's"),
    "the zone that is given": ({"deploymentStart": "2026-01-01T00:00:00", "deploymentEnd": ""},
                               timezone(timedelta(hours=3)), "+03:00", "2 taken in the zone that was given"),
    "none is known": ({"deploymentStart": "2026-01-01T00:00:00", "deploymentEnd": ""}, None, "",
                      "2 taken as UTC (--utc-offset tells another zone)"),
}  # fmt: skip


@pytest.mark.parametrize(("deployment", "zone", "offset", "told"), OFFSETS.values(), ids=OFFSETS)
def test_time_without_an_offset_has_its_deployments(package, deployment, zone, offset, told):
    """Else the given one, else none; a note says which. A time with an offset stays as it is."""
    (package / "deployments.csv").write_text(text_of([DEPLOYMENT | deployment]))
    (package / "media.csv").write_text(text_of([medium("m1", "2026-05-01T13:00:00"), medium("m2")]))
    found, note = times(package, zone)
    assert found == [f"2026-05-01T13:00:00{offset}", "2026-05-01T08:00:00Z"]
    assert note == f"{package}: times that name no offset: {told}"


def test_there_is_no_note_where_all_times_have_offsets(package):
    """`zone_note` is None."""
    assert times(package)[1] is None

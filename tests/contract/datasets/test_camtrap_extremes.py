"""A package with any content is read, or refused with one line that names it."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.camtrap import BY_MACHINE, medium, observation, write_package
from uncia_contract.datasets.camtrap_labels import read_camtrap_dp
from uncia_contract.errors import DataError

pytestmark = pytest.mark.heavy
LOOSELY = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
TEXTS = ["", "media.csv", "/", "..", "a/../../b", "\0", "x" * 300, "media", ";", "utf-16", "base64", "camtrap-dp", "NA"]
TEXTS += ["https://x.org/camtrap-dp/1.0/p.json", "é", "http://[", "file:///etc/passwd", "datapackage.json", '"', "\t"]
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(TEXTS)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["csv", "delimiter", "quoteChar", "header", "escapeChar", "fields", "name", "commentChar"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
KEYS = ["path", "dialect", "encoding", "schema", "format", "mediatype", "name", "data"]
CELLS = ["", "\0", "NA", "nan", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-05-01", "24:00", '"']
CELLS += ["../../etc/passwd", "https://x", "http://[::1", "é", "label:", "label:x", "animal", "machine", "event", "m1"]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    said = [observation("o1", eventID="e"), observation("o2", mediaID="m1", **BY_MACHINE)]
    return write_package(tmp_path / "package", [medium("m1"), medium("m2", "08:00:03")], said)


def read(path: Path) -> None:
    """Labelled pictures, or one line that names the package."""
    try:
        assert read_camtrap_dp(path, ["Panthera_uncia"])
    except DataError as error:
        assert "\n" not in str(error) and path.name.partition(".")[0] in str(error)


@LOOSELY
@given(key=st.sampled_from(KEYS), value=values, table=st.integers(0, 2))
def test_resources_may_say_anything(package, key, value, table):
    """One key of one resource replaced."""
    write_package(package, [medium("m1")], [observation("o1")])
    described = json.loads((package / "datapackage.json").read_text())
    described["resources"][table][key] = value
    (package / "datapackage.json").write_text(json.dumps(described))
    read(package)


@LOOSELY
@given(key=st.sampled_from(["profile", "name", "resources", "id"]), value=values)
def test_datapackage_may_say_anything(package, key, value):
    """One key replaced."""
    write_package(package, [medium("m1")], [observation("o1")], **{key: value})
    read(package)


@LOOSELY
@given(
    table=st.sampled_from(["deployments", "media", "observations"]),
    line=st.integers(0, 3),
    column=st.integers(0, 12),
    cell=st.sampled_from(CELLS),
)
def test_a_cell_may_hold_anything(package, table, line, column, cell):
    """One cell replaced, the header's too."""
    said = [observation("o1", eventID="e"), observation("o2", mediaID="m1", **BY_MACHINE)]
    write_package(package, [medium("m1"), medium("m2", "08:00:03")], said)
    lines = [text.split(",") for text in (package / f"{table}.csv").read_text().splitlines()]
    row = lines[line % len(lines)]
    row[column % len(row)] = cell
    (package / f"{table}.csv").write_text("\n".join(map(",".join, lines)))
    read(package)


@LOOSELY
@given(at=st.floats(0, 1, exclude_max=True), to=st.integers(0, 255), cut=st.sampled_from([0, 0, 1, 300]))
def test_a_zip_may_be_damaged(package, at, to, cut):
    """One byte changed, or the end cut off."""
    sound = Path(shutil.make_archive(str(package.parent / "sound"), "zip", package))
    content = bytearray(sound.read_bytes())
    content[int(at * len(content))] = to
    damaged = package.parent / "damaged.zip"
    damaged.write_bytes(content[: len(content) - cut])
    read(damaged)

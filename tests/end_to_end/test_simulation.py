"""From a recorded burst to a catalogued sighting: the whole path, with real parts."""

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image
from tests.end_to_end.conftest import STARTER, jpeg, record_bursts

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.listing import listing
from uncia_collector.settings import sqlite_url
from uncia_simulation.cli import main
from uncia_simulation.simulate import Plan, simulate


def replay(bursts: Path, bundle: Path, out: Path, *more: str, code: int = 0) -> dict[str, Any]:
    """The JSON that `uncia-simulate` leaves."""
    arguments = ["--bursts", str(bursts), "--bundle", str(bundle), "--out", str(out), "--json", str(out / "o.json")]
    out.mkdir(exist_ok=True)
    assert main([*arguments, *more]) == code
    result: dict[str, Any] = json.loads((out / "o.json").read_text())
    return result


def stored_hashes(out: Path) -> list[str]:
    """sha256 of every JPEG file in the catalogue's folder, by its bytes."""
    files = [path for path in (out / "catalogue").rglob("*") if path.suffix.lower() in {".jpg", ".jpeg"}]
    return sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)


def catalogue(out: Path) -> list[dict[str, Any]]:
    """What `uncia-collect list --json` would print."""
    database = Database(sqlite_url(out / "catalogue"))
    rows = list(listing(database))
    database.close()
    return rows


@pytest.fixture(scope="module")
def real(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The recorded bursts of the shared data, replayed with the starter bundle."""
    out = tmp_path_factory.mktemp("real")
    return replay(shared / "data" / "bursts", STARTER, out), out


def test_only_the_wild_snow_leopard_is_published(real: tuple[dict[str, Any], Path]) -> None:
    """Sixteen bursts of herons, birds, hedgehogs and nothing stay at the trap."""
    positive = [one["burst"] for one in real[0]["sequences"] if one["positive"]]
    assert positive == ["wakhan/C1_20121231_144604"]


def test_the_stored_pictures_are_the_recorded_ones(real: tuple[dict[str, Any], Path], shared: Path) -> None:
    """Original bytes, EXIF untouched: equal sha256."""
    recorded = (shared / "data/bursts/wakhan/C1_20121231_144604").iterdir()
    assert stored_hashes(real[1]) == sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in recorded)


def test_the_catalogue_lists_what_was_delivered(real: tuple[dict[str, Any], Path]) -> None:
    """Trap and base station agree on the sequence and on every frame."""
    [stored] = catalogue(real[1])
    [sent] = [one for one in real[0]["sequences"] if one["positive"]]
    assert (stored["id"], len(stored["files"]), stored["complete"]) == (sent["id"], sent["frames_delivered"], True)


def test_every_burst_has_the_documented_keys(recording: Path, eager_bundle: Path, tmp_path: Path) -> None:
    """Other tools rely on these names."""
    result = replay(recording, eager_bundle, tmp_path / "out")
    wanted = {
        "id", "trap", "started_at", "frames", "frames_scored", "confidence", "threshold", "positive", "delivered",
        "frames_delivered", "files",
    }  # fmt: skip
    assert all(wanted <= set(one) for one in result["sequences"]) and set(result) >= {"failures", "totals"}


def test_bad_files_are_named_and_the_burst_goes_on(recording: Path, eager_bundle: Path, tmp_path: Path) -> None:
    """Truncated, empty and not a JPEG: in `failures`, not in `frames`."""
    whole = jpeg(1)
    (recording / "burst-00" / "IMG_0003.JPG").write_bytes(whole[: len(whole) // 2])
    (recording / "burst-00" / "IMG_0004.JPG").write_bytes(b"")
    (recording / "burst-00" / "IMG_0005.JPG").write_text("not a picture")
    result = replay(recording, eager_bundle, tmp_path / "out")
    failed = [failure["file"] for failure in result["failures"]]
    frames = [one["frames"] for one in result["sequences"]]
    assert (failed, frames) == ([f"burst-00/IMG_000{n}.JPG" for n in (3, 4, 5)], [3, 3])


def test_a_card_is_replayed_visit_by_visit(eager_bundle: Path, tmp_path: Path) -> None:
    """Two visits in two folders below DCIM, and a burst that someone sorted: three sequences."""
    seconds = {"100MEDIA/IMG_0999": 10, "101MEDIA/IMG_0001": 13, "101MEDIA/IMG_0002": 55}
    for number, (name, second) in enumerate(seconds.items()):
        taken_jpeg(tmp_path / "in" / "DCIM" / f"{name}.JPG", number, f"2026:03:01 05:30:{second}")
    record_bursts(tmp_path / "in" / "sorted", 1)
    result = replay(tmp_path / "in", eager_bundle, tmp_path / "out")
    assert [(one["burst"], one["frames"], one["delivered"]) for one in result["sequences"]] == [
        ("DCIM/100MEDIA/IMG_0999.JPG", 2, True),
        ("DCIM/101MEDIA/IMG_0002.JPG", 1, True),
        ("sorted/burst-00", 3, True),
    ]


def taken_jpeg(path: Path, seed: int, taken: str) -> None:
    """A JPEG of its own with an EXIF time."""
    exif = Image.Exif()
    exif[ExifTags.Base.DateTime] = taken
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.open(io.BytesIO(jpeg(seed))).save(path, exif=exif, quality=85)


def test_a_folder_that_cannot_be_listed_is_named_and_the_rest_is_replayed(
    recording: Path, eager_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1 at the end."""
    (recording / "closed").mkdir()
    scandir = os.scandir

    def scan(folder: Path | int) -> object:
        if str(folder).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", scan)
    result = replay(recording, eager_bundle, tmp_path / "out", code=1)
    assert (len(result["sequences"]), result["totals"]["delivered"]) == (2, 2)
    assert result["unreadable"] == [f"{recording}/closed: cannot be read (Permission denied)"]


def test_files_are_named_relative_to_the_folder(recording: Path, eager_bundle: Path, tmp_path: Path) -> None:
    """So that the outcome can be read beside the recording, wherever that lies."""
    result = replay(recording, eager_bundle, tmp_path / "out")
    assert result["sequences"][1]["files"] == [f"burst-01/IMG_000{n}.JPG" for n in range(3)]


def test_the_pip_installable_broker_delivers_too(
    recording: Path, eager_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Mosquitto the replay runs on iotcore."""
    monkeypatch.setattr("uncia_simulation.broker._find_mosquitto", lambda: None)
    result = simulate(Plan(recording, eager_bundle, tmp_path / "out"))
    assert sorted(result.delivered.values()) == [3, 3]


def broken_head(folder: Path) -> Path:
    """A bundle whose head was made for other features."""
    import zipfile

    import numpy as np

    from uncia_contract.model.heads import LogisticHead, head_to_bytes
    from uncia_contract.npz import member

    path = folder / "misfit-1.uncia"
    head = head_to_bytes(LogisticHead(np.zeros((2, 7), "f4"), np.zeros(2, "f4"), 1.0, np.zeros(2, "f4")))
    with zipfile.ZipFile(STARTER) as source, zipfile.ZipFile(path, "w") as target:
        manifest = json.loads(source.read("manifest.json"))
        manifest["sha256"]["head.npz"] = hashlib.sha256(head).hexdigest()
        for info in source.infolist():
            content = {"head.npz": head, "manifest.json": json.dumps(manifest).encode()}.get(info.filename)
            target.writestr(member(info.filename), content if content is not None else source.read(info))
    return path


def wrong_arguments(folder: Path) -> dict[str, list[str]]:
    """Command lines that a person could type, each with one mistake."""
    (folder / "empty").mkdir()
    (folder / "text.uncia").write_text("not a bundle")
    good = str(record_bursts(folder / "good", 1))
    return {
        "no pictures": ["--bursts", str(folder / "empty"), "--bundle", str(STARTER)],
        "no folder": ["--bursts", str(folder / "absent"), "--bundle", str(STARTER)],
        "not a bundle": ["--bursts", good, "--bundle", str(folder / "text.uncia")],
        "no bundle": ["--bursts", good, "--bundle", str(folder / "absent.uncia")],
        "head misfit": ["--bursts", good, "--bundle", str(broken_head(folder))],
        "no broker": ["--bursts", good, "--bundle", str(STARTER), "--broker", "127.0.0.1:9"],
        "strips": ["--bursts", good, "--bundle", str(STARTER), "--strips", "wide"],
    }


MISTAKES = ["no pictures", "no folder", "not a bundle", "no bundle", "head misfit", "no broker", "strips"]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(
    mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What, where, expected, got; no traceback."""
    code = main([*wrong_arguments(tmp_path)[mistake], "--out", str(tmp_path / "out")])
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("uncia-simulate: ")]
    assert (code, len(told)) == (2, 1)

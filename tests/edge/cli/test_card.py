"""`uncia-trap score`: a card is scored by the trap's code, resumed after an interruption, and explained."""

import csv
import json
import os
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image

from uncia_contract.archive import archive_scores
from uncia_contract.archive.scored_picture import ScoredPicture
from uncia_contract.archive.visits import ArchiveSequence
from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.model.activation import Explainer, activation_map, overlay
from uncia_contract.model.bundle import read_bundle, write_bundle
from uncia_contract.model.heads import LogisticHead
from uncia_contract.pictures.region import Region
from uncia_edge.cli import card
from uncia_edge.cli.main import main

STARTER = Path(__file__).parents[3] / "models" / "snow-leopard-starter-2.uncia"


@pytest.fixture
def dcim(tmp_path: Path) -> Path:
    """A card with two bursts by EXIF time, a truncated file, and a file that a Mac leaves."""
    folder = tmp_path / "card" / "DCIM" / "100MEDIA"
    folder.mkdir(parents=True)
    for number, second in enumerate([0, 1, 2, 50, 51]):
        exif = Image.Exif()
        exif[0x0132] = f"2026:03:01 05:30:{second:02d}"
        noise = np.random.default_rng(number).integers(0, 255, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((320, 240)).save(folder / f"IMG_{number}.JPG", exif=exif)
    (folder / "IMG_9.JPG").write_bytes((folder / "IMG_0.JPG").read_bytes()[:20])
    (folder / "._IMG_0.JPG").write_bytes(b"mac")
    return tmp_path / "card"


def score(place: Path, out: Path, *more: str) -> dict[str, object]:
    """Run the command; return the JSON it wrote."""
    assert main(["score", str(place), "--bundle", str(STARTER), "--json", str(out), *more]) == 0
    results: dict[str, object] = json.loads(out.read_text())
    return results


def test_a_card_becomes_sequences_a_table_and_megadetector_json(
    dcim: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two sequences by time; the JSON has every picture, the truncated one as a failure."""
    results = score(dcim, tmp_path / "card.json", "--csv", str(tmp_path / "card.csv"))
    images = results["images"]
    assert isinstance(images, list)
    failed = [image["file"] for image in images if "failure" in image]
    lines = capsys.readouterr().out.splitlines()
    table = (tmp_path / "card.csv").read_text().splitlines()
    assert (len(images), failed, len(lines), len(table)) == (6, ["DCIM/100MEDIA/IMG_9.JPG"], 3, 7)


def test_a_broken_picture_with_a_time_in_its_header_is_a_frame_of_its_burst(dcim: Path, tmp_path: Path) -> None:
    """It is a failure there, and the other frames are scored."""
    broken = dcim / "DCIM" / "100MEDIA" / "IMG_9.JPG"
    broken.write_bytes(broken.with_name("IMG_0.JPG").read_bytes()[:500])
    score(dcim, tmp_path / "card.json", "--csv", str(tmp_path / "card.csv"))
    rows = {Path(row["file"]).name: row for row in csv.DictReader((tmp_path / "card.csv").open())}
    assert rows["IMG_9.JPG"]["sequence"] == rows["IMG_0.JPG"]["sequence"]
    assert "truncated" in rows["IMG_9.JPG"]["failure"]


def test_an_interrupted_run_goes_on_where_it_ended(dcim: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finished sequences are not scored again (one burst and the broken file are left); the result is the same."""
    whole = score(dcim, tmp_path / "whole.json")
    bundle = read_bundle(STARTER)
    partial = tmp_path / "again.json.partial"
    scorer = card.CardScorer(bundle, 1)
    next(iter(scorer.score(card.Card([dcim]).sequences(bundle), partial, lambda done, total: None)))
    partial.write_bytes(partial.read_bytes().splitlines(keepends=True)[0] + b'["cut sho')
    begun: list[int] = []
    original = archive_scores.score_burst
    monkeypatch.setattr(
        archive_scores, "score_burst", lambda *given, **named: begun.append(1) or original(*given, **named)
    )
    again = score(dcim, tmp_path / "again.json")
    assert (again["images"], len(begun), partial.exists()) == (whole["images"], 2, False)


def test_progress_is_shown_on_a_terminal_only(
    dcim: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line counts up to the last sequence, and each result replaces it; a pipe gets no progress."""
    score(dcim, tmp_path / "piped.json")
    piped = capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    score(dcim, tmp_path / "shown.json")
    shown = capsys.readouterr().err
    assert "sequences" not in piped
    begun, first = shown.index("reading the times"), shown.index("\x1b[K1 of 3 sequences\r\x1b[K")
    assert begun < first < shown.index("\x1b[K3 of 3 sequences\n")


def test_a_place_that_does_not_exist_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, with exit code 2."""
    code = main(["score", str(tmp_path / "none"), "--bundle", str(STARTER), "--json", str(tmp_path / "out.json")])
    assert (code, "none: not there" in capsys.readouterr().err) == (2, True)


def sequences(*places: Path) -> list[tuple[str, ...]]:
    """The file names in each sequence of a card of these places."""
    return [one.sequence.names for one in card.Card(places).sequences(read_bundle(STARTER))]


def test_two_cards_keep_their_pictures_apart(dcim: Path, tmp_path: Path) -> None:
    """All cameras use the same file names: names start with the card, so no overlay overwrites another one's."""
    shutil.copytree(dcim, tmp_path / "other")
    out = tmp_path / "out.json"
    assert main(["score", str(dcim), str(tmp_path / "other"), "--bundle", str(STARTER), "--json", str(out)]) == 0
    images = json.loads(out.read_text())["images"]
    names = {image["file"] for image in images}
    assert (len(names), {name.split("/")[0] for name in names}) == (12, {"card", "other"})


def test_files_that_are_named_one_by_one_form_their_burst(dcim: Path) -> None:
    """`score DCIM/100MEDIA/IMG_*.JPG` gives the same verdict as `score DCIM`."""
    files = sorted((dcim / "DCIM" / "100MEDIA").glob("IMG_[0-4].JPG"))
    assert sequences(*files) == [("IMG_0.JPG", "IMG_1.JPG", "IMG_2.JPG"), ("IMG_3.JPG", "IMG_4.JPG")]


def test_stations_named_like_a_cameras_folders_stay_apart(dcim: Path) -> None:
    """Two stations have the same times; but folders of one card's DCIM, named one by one, are one trap's."""
    for name in ("101RIDGE", "102RIDGE", "DCIM/101MEDIA"):
        shutil.copytree(dcim / "DCIM" / "100MEDIA", dcim / name)
    alone = sequences(dcim / "101RIDGE")
    assert len(sequences(dcim / "101RIDGE", dcim / "102RIDGE")) == 2 * len(alone)
    assert max(map(len, sequences(dcim / "DCIM" / "100MEDIA", dcim / "DCIM" / "101MEDIA"))) == 6


def test_a_place_that_is_named_twice_is_scored_once(dcim: Path) -> None:
    """A folder, the same folder again, and a picture in it; skipped files count once, too."""
    (dcim / "DCIM" / "VID_0001.AVI").write_bytes(b"...")
    assert sequences(dcim, dcim, dcim / "DCIM" / "100MEDIA" / "IMG_0.JPG") == sequences(dcim)
    twice = card.Card([dcim, dcim, dcim / "DCIM"])
    twice.sequences(read_bundle(STARTER))
    assert twice.left_out == {"video": 1}


def test_a_place_in_a_hidden_folder_of_another_is_a_place_of_its_own(dcim: Path) -> None:
    """A scan of the card would skip it."""
    shutil.copytree(dcim / "DCIM", dcim / ".saved" / "DCIM")
    assert len(sequences(dcim, dcim / ".saved" / "DCIM")) == 2 * len(sequences(dcim))


def test_deleted_pictures_on_a_card_are_not_scored(dcim: Path) -> None:
    """The trash folders of Mac and Windows, and a photo program's thumbnails."""
    before = sequences(dcim)
    for name in (".Trashes/501", "$RECYCLE.BIN", "DCIM/.thumbnails"):
        shutil.copytree(dcim / "DCIM" / "100MEDIA", dcim / name)
    assert sequences(dcim) == before


def test_a_folder_that_cannot_be_listed_is_named_and_the_rest_is_scored(
    dcim: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 at the end."""
    shutil.copytree(dcim / "DCIM" / "100MEDIA", dcim / "closed")
    scandir = os.scandir

    def scan(folder: Path) -> object:
        if Path(folder).name == "closed":
            raise OSError(5, "Input/output error")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", scan)
    code = main(["score", str(dcim), "--bundle", str(STARTER), "--json", str(tmp_path / "o.json")])
    assert (code, len(json.loads((tmp_path / "o.json").read_text())["images"])) == (1, 6)
    assert f"{dcim}/closed: cannot be read (Input/output error)" in capsys.readouterr().err


def test_a_name_that_is_no_utf_8_is_written_readably(dcim: Path, tmp_path: Path) -> None:
    """As on cards of old cameras."""
    (dcim / "DCIM" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"no picture")
    images = score(dcim / "DCIM", tmp_path / "out.json", "--csv", str(tmp_path / "out.csv"))["images"]
    assert isinstance(images, list)
    assert "caf\\xe9.jpg" in {image["file"] for image in images}


def test_an_interruption_does_not_wait_for_the_rest_of_the_card(
    dcim: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three sequences the first is done and the second has started: the third does not start."""
    begun, stopping = [], threading.Event()

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            stopping.set()
            super().shutdown(wait)

    def scored(sequence: ArchiveSequence, *_: object) -> tuple[ScoredPicture, ...]:
        begun.append(sequence)
        if len(begun) > 1:
            stopping.wait(60)
        return ()

    monkeypatch.setattr(card, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(card, "score_sequence", scored)
    bundle = read_bundle(STARTER)
    run = card.CardScorer(bundle, 1).score(card.Card([dcim]).sequences(bundle), tmp_path / "log", lambda *_: None)
    next(run)
    run.close()
    assert len(begun) <= 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--json", "."), ".: is a folder; expected the name of a file to write"),
        (("--csv", "."), ".: is a folder; expected the name of a file to write"),
        (("--workers", "0"), "--workers: 0: expected a whole number, 1 or more"),
    ],
    ids=["json-is-a-folder", "csv-is-a-folder", "no-workers"],
)
def test_mistakes_are_reported_before_a_picture_is_scored(
    dcim: Path, tmp_path: Path, wrong: tuple[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, with exit code 2 and without new files."""
    command = ["score", str(dcim), "--bundle", str(STARTER), "--json", str(tmp_path / "out.json"), *wrong]
    try:
        code = main(command)
    except SystemExit as left:
        code = int(left.code or 0)
    told = capsys.readouterr().err
    assert (code, said in told, list(tmp_path.glob("out*"))) == (2, True, [])


def test_overlays_of_a_positive_are_drawn(dcim: Path, tmp_path: Path) -> None:
    """One for each scored frame, named after it, as wide as the picture; none for a broken file."""
    bundle, eager = read_bundle(STARTER), tmp_path / "eager.uncia"
    eager.write_bytes(write_bundle(replace(bundle.manifest, decision_rule=DecisionRule(0.0)), bundle.members))
    out = tmp_path / "overlays"
    command = ["score", str(dcim), "--bundle", str(eager), "--json", str(tmp_path / "o.json"), "--explain", str(out)]
    assert main(command) == 0
    found = {str(path.relative_to(out)): Image.open(path).size for path in out.rglob("*.jpg")}
    assert found == {f"DCIM/100MEDIA/IMG_{number}.explained.jpg": (320, 240) for number in range(5)}


def test_in_the_region_red_raises_the_score_and_blue_lowers_it() -> None:
    """Outside of the region the picture is unchanged."""
    grey = Image.new("RGB", (80, 60), (100, 100, 100))
    shown = overlay(grey, np.array([[9.0, 9.0, -9.0, -9.0]], np.float32), Region(0.5, 0.5, 0.5, 0.5))
    left, right, outside = (shown.getpixel(at) for at in ((42, 45), (78, 45), (10, 10)))
    assert (left, right, outside) == ((193, 39, 39), (39, 39, 193), (100, 100, 100))


def test_large_activations_are_drawn_in_proportion() -> None:
    """Otherwise a network whose positions add tens of logits each would give two flat colours."""
    grey = Image.new("RGB", (80, 60), (100, 100, 100))
    shown = overlay(grey, np.array([[40.0, 20.0, -20.0, -40.0]], np.float32))
    strong, half = (shown.getpixel((x, 30))[0] - shown.getpixel((x, 30))[1] for x in (2, 30))
    assert 0 < half < 0.8 * strong


def test_the_maps_mean_is_the_heads_logit() -> None:
    """Pooling and head are linear."""
    chance = np.random.default_rng(4)
    features = chance.normal(size=(7, 7, 5)).astype(np.float32)
    head = LogisticHead(
        chance.normal(size=(2, 5)).astype(np.float32), np.zeros(2, np.float32), 1.5, np.zeros(2, np.float32)
    )
    logits = 1.5 * features.mean(axis=(0, 1)) @ head.weights.T
    assert np.isclose(activation_map(features, head, [1]).mean(), logits[1] - logits[0], atol=1e-4)


def test_the_starter_bundle_can_be_explained() -> None:
    """Its features are the mean of a 9 x 9 map, which the interpreter keeps, up to the quantisation error."""
    bundle = read_bundle(STARTER)
    image = np.asarray(Image.effect_noise((260, 260), 80).convert("RGB"))
    activation = Explainer(bundle).activation(image)
    assert (activation.shape, bool(np.isfinite(activation).all())) == ((9, 9), True)

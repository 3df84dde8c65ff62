"""The sequences of an archive that are suggested for labelling, and the CSV in which a person labels them."""

import csv
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from support.root_rights import obeying_rights
from uncia_contract.archive.scored_picture import ScoredPicture
from uncia_contract.datasets.reader import read_data
from uncia_training.archive.suggestion_choice import Candidate, candidates, suggested
from uncia_training.archive.suggestions import COLUMNS, SUGGESTIONS
from uncia_training.cli.main import main

sys.path.insert(0, str(Path(__file__).parents[1]))
from archives import STARTER, archive


def sequence(name: str, trap: str, *scores: float | None, confidence: float = 0.0) -> list[ScoredPicture]:
    """One picture for each score; the threshold is 0.4."""
    return [
        ScoredPicture(f"{trap}/{name}{n}.jpg", "cat", score, trap=trap, sequence=f"{trap}/{name}0.jpg",
                      confidence=confidence, threshold=0.4)
        for n, score in enumerate(scores)
    ]  # fmt: skip


def found(pictures: list[ScoredPicture], wanted: int = 2) -> list[Candidate]:
    """The candidates if no picture is labelled."""
    return candidates(pictures, wanted, lambda file: False)


@pytest.mark.parametrize(
    ("scores", "doubt"),
    [((0.4,), 1.0), ((0.0,), 0.0), ((1.0,), 0.0), ((0.1, 0.3), 0.5), ((0.7,), 0.5), ((0.0, None, None), 0.0)],
    ids=["at the threshold", "surely none", "surely one", "the mean counts", "above", "spared frames do not count"],
)
def test_doubt_is_nearness_to_the_threshold(scores: tuple[float | None, ...], doubt: float) -> None:
    """For the mean of the scored frames; after early exit the confidence is only a bound."""
    [one] = found(sequence("a", "pass", *scores, confidence=0.39))
    assert one.doubt == pytest.approx(doubt)


def test_a_sequence_is_compared_by_the_frame_that_scored_highest() -> None:
    """If there is an animal, it is in this frame."""
    [one] = found(sequence("a", "pass", 0.1, 0.5, 0.2))
    assert (one.sequence, one.file) == ("pass/a0.jpg", "pass/a1.jpg")


def test_failed_and_labelled_sequences_are_no_candidates() -> None:
    """One labelled picture is enough for its sequence."""
    pictures = sequence("a", "pass", None) + sequence("b", "pass", 0.4, 0.4) + sequence("c", "pass", 0.4)
    names = [one.sequence for one in candidates(pictures, 2, lambda file: file == "pass/b1.jpg")]
    assert names == ["pass/c0.jpg"]


def test_candidates_include_sequences_that_the_bundle_is_sure_of() -> None:
    """Half are spread over the season, because the bundle can be sure and wrong."""
    doubtful = [one for n in range(40) for one in sequence(f"d{n:02}", "pass", 0.4)]
    sure = [one for n in range(40) for one in sequence(f"s{n:02}", "pass", 0.0)]
    assert {one.doubt for one in found(doubtful + sure, 1)} == {0.0, 1.0}


def test_each_trap_in_turn_gives_a_sequence() -> None:
    """Even if all sequences of one trap are the most doubtful."""
    pictures = [one for n in range(9) for one in sequence(f"a{n}", "pass", 0.4)]
    pictures += [one for n in range(9) for one in sequence(f"b{n}", "ridge", 0.1)]
    listed = found(pictures, 4)
    chosen = suggested(listed, np.ones((len(listed), 2), np.float32), np.zeros((0, 2), np.float32), 4)
    assert sorted(one.trap for one in chosen) == ["pass", "pass", "ridge", "ridge"]


def test_of_equally_doubtful_sequences_new_and_different_ones_come_first() -> None:
    """Ten copies of one rock give one suggestion; a labelled one gives none."""
    directions = {"a": (1, 0, 0), "b": (0, 1, 0), "c": (0, 0, 1)}
    listed = [Candidate(f"{kind}{n}", "pass", 0.9, "", None) for kind in directions for n in range(5)]
    features = np.array([directions[one.sequence[0]] for one in listed], np.float32)
    chosen = suggested(listed, features, np.array([directions["a"]], np.float32), 2)
    assert {one.sequence[0] for one in chosen} == {"b", "c"}


def test_fewer_sequences_than_wanted_are_all_suggested() -> None:
    """No error, and none is suggested twice."""
    listed = found(sequence("a", "pass", 0.4) + sequence("b", "ridge", 0.2), 9)
    chosen = suggested(listed, np.eye(2, dtype=np.float32), np.zeros((0, 2), np.float32), 9)
    assert sorted(one.trap for one in chosen) == ["pass", "ridge"]


def score(folder: Path, out: Path, *more: str) -> int:
    """The exit code of the command."""
    return main(["score", str(folder), "--bundle", str(STARTER), "--out", str(out), "--write", "csv", *more])


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV."""
    with path.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


@pytest.mark.heavy
def test_suggestions_are_labelled_in_a_spreadsheet_and_read_as_a_data_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whole sequences with exact names; empty labels are skipped; the next suggestions are others."""
    folder, out = archive(tmp_path / "-38.12, 145.20"), tmp_path / "out"
    assert (score(folder, out, "--suggest", "2"), main(["evaluate", "--bundle", str(STARTER), "--data",
            str(out / SUGGESTIONS)])) == (0, 2)  # fmt: skip
    told = capsys.readouterr()
    assert ("2 sequences (6 pictures) to label" in told.out, "label is empty in each of 6 rows" in told.err) == (
        True,
    ) * 2
    named = rows(out / SUGGESTIONS)
    assert {row["location"] for row in named} == {"pass", "ridge"}
    for row in named[:3]:
        row["label"] = "fox"
    filled = tmp_path / "filled.csv"
    with filled.open("w", newline="", encoding="utf-8-sig") as text:
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        writer.writerows(named)
    read = read_data(filled)
    assert [(one.path.exists(), one.sequence, one.location) for one in read] == [
        (True, row["sequence"], row["location"]) for row in named[:3]
    ]
    assert score(folder, out, "--suggest", "9", "--known", str(filled)) == 0
    again = {row["sequence"] for row in rows(out / SUGGESTIONS)}
    assert (len(again), named[0]["sequence"] in again) == (5, False)


@pytest.mark.heavy
def test_a_folder_of_known_pictures_that_cannot_be_listed_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rest is done; the exit code is 1."""
    folder, known = archive(tmp_path / "a", 1), tmp_path / "known"
    shutil.copytree(folder, known / "fox")
    (known / "fox/locked").mkdir(mode=0)
    with obeying_rights():
        assert score(folder, tmp_path / "out", "--suggest", "1", "--known", str(known)) == 1
    assert f"{known / 'fox/locked'}: cannot be read (Permission denied)" in capsys.readouterr().err
    assert (tmp_path / "out" / SUGGESTIONS).exists()
    (known / "fox/locked").chmod(0o755)


@pytest.mark.heavy
def test_labels_are_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also in a CSV saved with semicolons; the error comes before any scoring."""
    folder, out = archive(tmp_path / "a", 1), tmp_path / "out"
    assert (score(folder, out, "--suggest", "1"), score(folder, out, "--suggest", "1")) == (0, 0)
    path = out / SUGGESTIONS
    for text in (path.read_text().replace("jpg,,", "jpg,fox,", 1).replace("JPG,,", "JPG,fox,", 1),
                 path.read_text().replace(",", ";")):  # fmt: skip
        path.write_text(text)
        assert (score(folder, out, "--suggest", "1"), path.read_text()) == (2, text)
        assert "its labels would be lost; move it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [(["--known", "x.csv"], "--known without --suggest"), (["--suggest", "1", "--out", "s3://b/x", "--engine", "spark",
      "--write", "parquet"], "s3://b/x is an address")],
    ids=["known alone", "an address"],
)  # fmt: skip
def test_options_that_do_not_fit_suggestions_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    """In one line, exit code 2."""
    assert (score(archive(tmp_path / "a", 1), tmp_path / "out", *more), said in capsys.readouterr().err) == (2, True)

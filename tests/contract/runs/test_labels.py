"""Labelled pictures: which form a sequence, and what it shows."""

from pathlib import Path

import pytest

from uncia_contract.runs.labels import LabelledPicture, sequences, shows


def test_sequences_are_told_apart_by_source_and_place(tmp_path: Path) -> None:
    """Two data sets, and two places of one, may both have a sequence 1; a picture without one stands alone."""
    rows = [("a", "1", "x", "hill"), ("b", "1", "y", "hill"), ("c", "1", "x", "hill"), ("d", "1", "x", "dale"),
            ("e", "", "x", "hill"), ("f", "", "x", "hill")]  # fmt: skip
    pictures = [LabelledPicture(name, tmp_path / name, "cat", seq, place, "", src) for name, seq, src, place in rows]
    assert ["".join(p.file for p in group) for group in sequences(pictures)] == ["ac", "b", "d", "e", "f"]


@pytest.mark.parametrize(
    ("labels", "positive"),
    [("blank cat", True), ("cat blank", True), ("blank fox", False)],
    ids=["first empty", "last empty", "no such frame"],
)
def test_a_sequence_shows_what_any_of_its_frames_shows(labels: str, positive: bool) -> None:
    """Also where its first frame is empty."""
    burst = [LabelledPicture(f"{n}.jpg", Path(f"{n}.jpg"), label) for n, label in enumerate(labels.split())]
    assert shows(burst, ["cat"]) is positive

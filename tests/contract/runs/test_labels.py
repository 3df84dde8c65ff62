"""Labelled pictures: which of them form a sequence, and what a sequence shows."""

from pathlib import Path

import pytest

from uncia_contract.runs.labels import LabelledPicture, sequences, shows


def test_sequences_differ_by_source_and_place(tmp_path: Path) -> None:
    """Two sources, or two places of one source, may use the same id; a picture without an id is its own sequence."""
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

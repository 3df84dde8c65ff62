"""Single pictures are compared with the others of their place, only for scoring."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.contract.archive.test_neighbours import ANIMAL, MOVED, view
from tests.contract.scoring.test_score_burst import MANIFEST, Bright

from uncia_contract.bursts.regions import RegionRule
from uncia_contract.pictures.region import Region
from uncia_contract.runs.labels import LabelledPicture
from uncia_contract.scoring.score_burst import score_burst
from uncia_training.datasets.place_views import PlaceViews
from uncia_training.datasets.region_crops import Crop
from uncia_training.features.data_pass import pass_over

RULE = RegionRule()


def season(folder: Path, **about: str) -> list[LabelledPicture]:
    """Nine single pictures of one place; the fifth shows an animal."""
    pictures = []
    for number in range(9):
        path = folder / f"{number}.jpg"
        path.write_bytes(view(ANIMAL if number == 4 else None))
        at = f"2026-03-01T05:0{number}:00"
        pictures.append(LabelledPicture(path.name, path, "other", datetime=at, **{"location": "ridge", **about}))
    return pictures


def crops(pictures: list[LabelledPicture], file: str = "4.jpg") -> list[Crop]:
    """The crops of one picture."""
    found = pass_over(pictures, RULE, [], lambda picture: True, 1, views=PlaceViews(pictures, RULE))[1]
    return [crop for crop in found if crop.picture.file == file]


def test_a_single_picture_is_scored_on_its_region_and_trained_on_whole(tmp_path: Path) -> None:
    """So a head does not depend on backgrounds."""
    whole, part = crops(season(tmp_path))
    assert (whole.region, whole.learnt, whole.scored) == (None, True, False)
    assert (part.region is not None, part.learnt, part.scored) == (True, False, True)


def test_bundles_score_the_same_region(tmp_path: Path) -> None:
    """The region of the comparison's crop is the one that the trap's code scores."""
    pictures = season(tmp_path)
    views = PlaceViews(pictures, RULE)
    verdict = score_burst([pictures[4].path.read_bytes], Bright(MANIFEST), background=views.of([pictures[4]]))
    assert verdict is not None and verdict.frames[0].region == crops(pictures)[1].region


def test_a_box_is_used_instead_of_a_background(tmp_path: Path) -> None:
    """Training and scoring use a box that a person drew."""
    pictures = season(tmp_path)
    pictures[4] = replace(pictures[4], box=Region(0.1, 0.1, 0.3, 0.3))
    assert [(crop.learnt, crop.scored) for crop in crops(pictures)] == [(True, False), (True, True)]


def _unplaced(pictures: list[LabelledPicture]) -> None:
    pictures[:] = [replace(one, location="") for one in pictures]


def _another_side(pictures: list[LabelledPicture]) -> None:
    pictures[4] = replace(pictures[4], split="test")


def _another_source(pictures: list[LabelledPicture]) -> None:
    pictures[4] = replace(pictures[4], source="another")


def _another_camera(pictures: list[LabelledPicture]) -> None:
    pictures[4].path.write_bytes(view(ANIMAL, MOVED))


@pytest.mark.parametrize("change", [_unplaced, _another_side, _another_source, _another_camera])
def test_a_picture_without_neighbours_is_scored_whole(tmp_path: Path, change) -> None:
    """No place, another split, the same place name of another source, or another camera."""
    pictures = season(tmp_path)
    change(pictures)
    assert [(crop.region, crop.learnt, crop.scored) for crop in crops(pictures)] == [(None, True, True)]

"""Which camera of a hub a file belongs to."""

import re
from pathlib import Path

import pytest

from uncia_contract.bursts.frames import BurstRule
from uncia_contract.messages.records import CAMERA_ID
from uncia_edge.camera.assemblers import Assemblers

HUB = Path("/srv/cameras")


def camera_of(name: str, per_folder: bool = True) -> str:
    return Assemblers(HUB, BurstRule(), None, per_folder).camera_of(HUB / name)


@pytest.mark.parametrize(
    ("name", "camera"),
    [("cam1/a.jpg", "cam1"), ("cam.2-b/DCIM/100RECNX/a.jpg", "cam.2-b"), ("a.jpg", "")],
    ids=["a folder", "folders below it", "the watched folder itself"],
)
def test_a_camera_is_called_as_its_folder(name: str, camera: str) -> None:
    """The first one below the watched folder."""
    assert camera_of(name) == camera


@pytest.mark.parametrize(
    "names",
    [("\u0421\u0435\u0432\u0435\u0440", "\u0417\u0430\u043f\u0430\u0434"), ("cam 1", "cam_1"), ("x" * 40, "x" * 41)],
    ids=["Cyrillic", "a blank", "too long"],
)
def test_two_folders_are_never_one_camera(names: tuple[str, str]) -> None:
    """Otherwise their pictures would share bursts and a background. Each id is valid in a message."""
    first, second = (camera_of(f"{name}/a.jpg") for name in names)
    assert first != second
    assert all(re.fullmatch(CAMERA_ID, one) for one in (first, second))

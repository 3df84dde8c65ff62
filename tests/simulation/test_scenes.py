"""Rendered bursts: reproducible, with correct times and labels, and damaged only where the script says so."""

import csv
import hashlib
import io
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from uncia_contract.bursts.regions import RegionRule, regions, thumbnail
from uncia_contract.datasets.csv_labels import read_labels
from uncia_contract.errors import FrameError
from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.pictures.jpeg import jpeg_taken, open_jpeg
from uncia_contract.scoring.score_burst import score_burst
from uncia_simulation.scenes import LABEL_COLUMNS, RenderedBurst, render_bursts, render_training_set

pytestmark = pytest.mark.heavy

DEMO_BUNDLE = Path(__file__).parents[2] / "models" / "rendered-demo-1.uncia"


@pytest.fixture(scope="module")
def handful(tmp_path_factory: pytest.TempPathFactory) -> list[RenderedBurst]:
    return render_bursts(tmp_path_factory.mktemp("rendered"))


@pytest.fixture(scope="module")
def training_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_training_set(tmp_path_factory.mktemp("training"), seed=3, bursts=5)


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes(training_csv: Path, tmp_path: Path) -> None:
    """Pictures and rows of a second run are equal, also for another number of bursts."""
    again = render_training_set(tmp_path, seed=3, bursts=2)
    assert training_csv.read_bytes().startswith(again.read_bytes())
    again.unlink()
    assert digests(tmp_path).items() <= digests(training_csv.parent).items()


def test_another_seed_gives_other_pictures(training_csv: Path, tmp_path: Path) -> None:
    """No picture occurs under two seeds."""
    render_training_set(tmp_path, seed=4, bursts=1)
    assert not set(digests(tmp_path).values()) & set(digests(training_csv.parent).values())


def test_the_handful_holds_what_make_simulate_shows(handful: list[RenderedBurst]) -> None:
    """A snow leopard by day and by night, other animals in both lights, and two bursts without animals."""
    scripts = [(burst.scene.label, burst.scene.light, len(burst.frames)) for burst in handful]
    assert scripts == [
        ("snow_leopard", "day", 6),
        ("snow_leopard", "infrared", 10),
        ("other", "day", 4),
        ("other", "infrared", 4),
        ("blank", "day", 3),
        ("blank", "day", 3),
    ]


def test_every_burst_has_its_own_folder(handful: list[RenderedBurst]) -> None:
    """A folder with pictures is one burst and holds nothing else."""
    assert all(sorted(burst.folder.iterdir()) == list(burst.frames) for burst in handful)


def test_exif_tells_the_times_in_order(handful: list[RenderedBurst]) -> None:
    """DateTimeOriginal, sub-seconds and offset give the time of each frame in milliseconds, in ascending order."""
    for burst in handful:
        told = [jpeg_taken(path.read_bytes()).at for path in burst.frames]
        assert told == list(burst.taken_at)
        assert all(earlier < later for earlier, later in pairwise(burst.taken_at))


def test_exif_says_that_the_picture_is_rendered(handful: list[RenderedBurst]) -> None:
    """So nobody can take it for a recorded frame."""
    with Image.open(handful[0].frames[0]) as image:
        exif = image.getexif()
    assert (exif[ExifTags.Base.Make], exif[ExifTags.Base.Model]) == ("uncia", "rendered")


def test_only_the_truncated_file_is_unreadable(handful: list[RenderedBurst]) -> None:
    """The trap's own reader decodes all other files."""
    unreadable = []
    for path in (path for burst in handful for path in burst.frames):
        try:
            open_jpeg(path.read_bytes())
        except FrameError:
            unreadable.append(path)
    assert unreadable == [path for burst in handful for path in burst.unreadable]
    assert len(unreadable) == 1


def test_the_truncated_file_starts_as_a_jpeg_and_cannot_be_decoded(handful: list[RenderedBurst]) -> None:
    """It has markers and EXIF, but is cut within the picture."""
    content = handful[5].unreadable[0].read_bytes()
    assert content.startswith(b"\xff\xd8\xff")
    with Image.open(io.BytesIO(content)) as image, pytest.raises(OSError, match="truncated"):
        image.load()


def test_infrared_frames_are_grey(handful: list[RenderedBurst]) -> None:
    """At night the channels differ only by JPEG's rounding."""
    picture = np.asarray(open_jpeg(handful[1].frames[0].read_bytes()), np.int16)
    assert np.ptp(picture, axis=-1).max() <= 2


def test_leopards_enter_at_the_edge_and_end_in_full_view(handful: list[RenderedBurst]) -> None:
    """At first the box touches an edge and is much narrower than at the end."""
    for burst in handful[:2]:
        first, last = burst.boxes[0], burst.boxes[-1]
        assert first and last
        assert first[0] == 0.0 or first[0] + first[2] == pytest.approx(1.0)
        assert first[2] < 0.6 * last[2]


def test_regions_find_the_rendered_animal(handful: list[RenderedBurst]) -> None:
    """In each frame with an animal, the region covers its middle."""
    for burst in handful[:4]:
        thumbnails = [thumbnail(open_jpeg(path.read_bytes()), RegionRule()) for path in burst.frames]
        for choice, box in zip(regions(thumbnails, RegionRule()), burst.boxes, strict=True):
            assert box and choice.region
            x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
            found = choice.region
            assert found.left <= x <= found.left + found.width
            assert found.top <= y <= found.top + found.height


def test_labels_can_be_read_by_training(training_csv: Path) -> None:
    """The table is a CSV of labels with all columns; all files exist; both splits have whole places."""
    with training_csv.open(encoding="utf-8") as file:
        assert tuple(next(csv.reader(file))) == LABEL_COLUMNS
    rows = read_labels(training_csv)
    assert {row.label for row in rows} == {"snow_leopard", "other", "blank"}
    assert all(row.path.is_file() for row in rows)
    assert {row.source for row in rows} == {"rendered"}


def test_whole_places_are_held_out() -> None:
    """All bursts of a place have one split; every fifth place is `test`."""
    from uncia_simulation.scenes import _training_scenes

    splits = {(scene.location, scene.split) for scene in _training_scenes(seed=1, bursts=50)}
    assert sorted(location for location, split in splits if split == "test") == ["place-004", "place-009"]
    assert len(splits) == 10


def test_the_label_follows_from_the_species(handful: list[RenderedBurst]) -> None:
    """Only the snow leopard is positive; a burst without animals is blank."""
    scene = handful[0].scene
    labels = [replace(scene, species=species).label for species in ("snow leopard", "wolf", "bird", None)]
    assert labels == ["snow_leopard", "other", "other", "blank"]


def test_the_demonstration_bundle_decides_the_handful_right(handful: list[RenderedBurst]) -> None:
    """Only the two snow leopards are positive. After a change of the renderer, the bundle must be made again."""
    classifier = Classifier(read_bundle(DEMO_BUNDLE))
    verdicts = [score_burst([path.read_bytes for path in burst.frames], classifier) for burst in handful]
    assert [verdict and verdict.decision.positive for verdict in verdicts] == [True, True, False, False, False, False]

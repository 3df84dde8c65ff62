"""Pictures made for the page: activation maps by the bundle that scored, previews until the frame arrives."""

import hashlib
import io
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from uncia_collector.catalogue.people import People
from uncia_collector.settings import CollectorSettings
from uncia_collector.web.activations import Activations
from uncia_collector.web.app import make_app
from uncia_contract.messages.records import BundleIdentity, Preview
from uncia_contract.model.bundle import read_bundle, write_bundle
from uncia_simulation.scenes import render_bursts

pytestmark = pytest.mark.heavy

BUNDLE = Path(__file__).parents[3] / "models" / "rendered-demo-1.uncia"
STARTER = BUNDLE.with_name("snow-leopard-starter-2.uncia")  # looks at frames in doubt a second time
IDENTITY = BundleIdentity("rendered-demo", 1, hashlib.sha256(BUNDLE.read_bytes()).hexdigest())
ONE = "/sequences/ridge/000001"


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> bytes:
    """A rendered frame with the animal in it."""
    bursts = render_bursts(tmp_path_factory.mktemp("scenes"))
    burst = next(burst for burst in bursts if burst.scene.label == "snow_leopard")
    return burst.frames[len(burst.frames) // 2].read_bytes()


@pytest.fixture
def viewer(stored, tmp_path):
    """A viewer's browser; the station's folder of bundles is `bundles`."""
    People(stored.database).set_user("v", "snow and rocks", "viewer", datetime.now(UTC))
    settings = CollectorSettings(data=str(stored.root), bundles=str(tmp_path / "bundles"))
    client = TestClient(make_app(settings, stored.database))
    client.post("/login", data={"name": "v", "password": "snow and rocks"})
    return client


def picture(content: bytes) -> np.ndarray:
    """The pixels of a JPEG."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), dtype=np.float32)


@pytest.mark.parametrize("bundle", [BUNDLE, STARTER], ids=["a map from within", "a map that the model gives"])
def test_map_lies_over_the_scored_region_only(viewer, stored, make_sequence, scene, tmp_path, bundle):
    """Red or blue inside the region that the record names, the picture itself outside; drawn once, then kept.

    Where a frame was looked at twice, the record names the look that counted.
    """
    (tmp_path / "bundles").mkdir()
    shutil.copy(bundle, tmp_path / "bundles")
    stored.commit(*make_sequence(pictures=[scene], bundle=read_bundle(bundle).identity).messages())

    drawn = picture(viewer.get(f"{ONE}/0.activation.jpg").content)
    height, width = drawn.shape[:2]
    plain = np.asarray(Image.open(io.BytesIO(scene)).resize((width, height), Image.Resampling.BILINEAR), np.float32)
    change = np.abs(drawn - plain).mean(axis=2)
    inside = change[int(0.25 * height) : int(0.65 * height), int(0.15 * width) : int(0.55 * width)]
    assert inside.mean() > 10 and change[:, int(0.65 * width) :].mean() < 3
    assert [path.name for path in stored.root.glob("activations/**/*.jpg")] == ["000001.000.jpg"]


def test_page_offers_the_map_if_there_is_one(viewer, stored, make_sequence, scene, tmp_path):
    """The page has a link if the station has the bundle, else a sentence that says what is missing."""
    stored.commit(*make_sequence(pictures=[scene], bundle=IDENTITY).messages())
    assert "folder bundles/" in viewer.get(ONE).text
    assert viewer.get(f"{ONE}/0.activation.jpg").status_code == 404

    (tmp_path / "bundles").mkdir()
    shutil.copy(BUNDLE, tmp_path / "bundles")
    assert 'id="activation"' in viewer.get(ONE).text


def test_damaged_bundle_is_named_on_the_page(viewer, stored, make_sequence, scene, tmp_path):
    """The page says what is wrong with the bundle, and still works."""
    (tmp_path / "bundles").mkdir()
    damaged = BUNDLE.read_bytes()[:-1000]
    (tmp_path / "bundles" / "x.uncia").write_bytes(damaged)
    identity = BundleIdentity("x", 1, hashlib.sha256(damaged).hexdigest())
    stored.commit(*make_sequence(pictures=[scene], bundle=identity).messages())

    page = viewer.get(ONE)
    assert page.status_code == 200 and "no maps: " in page.text and 'id="activation"' not in page.text


def test_preview_is_shown_until_the_frame_has_arrived(viewer, stored, make_sequence, make_jpeg):
    """The gallery shows the preview of the record first, and the frame after it has arrived."""
    sequence = make_sequence(preview=Preview(n=1, width=32, height=24, jpeg=make_jpeg(9, (32, 24))))
    stored.commit(sequence.record_message())
    thumbnail = f"{ONE}/1.thumbnail.jpg"
    assert f"{ONE}/1.card.jpg" in viewer.get("/").text and thumbnail in viewer.get(ONE).text
    assert picture(viewer.get(thumbnail).content).shape == (24, 32, 3)

    stored.commit(*sequence.messages())
    assert picture(viewer.get(thumbnail).content).shape == (48, 64, 3)


def test_preview_that_is_no_picture_is_no_crash(viewer, stored, make_sequence):
    """A preview that cannot be decoded is treated as a missing frame."""
    stored.commit(make_sequence(preview=Preview(n=0, width=32, height=24, jpeg=b"MZ")).record_message())

    assert (viewer.get("/").status_code, viewer.get(f"{ONE}/0.thumbnail.jpg").status_code) == (200, 404)


def test_bundles_shown_at_once_do_not_unload_each_other(tmp_path, scene, monkeypatch):
    """Several browsers request maps of more bundles than stay loaded: each gets its map."""
    monkeypatch.setattr("uncia_collector.web.activations.MOST_LOADED", 1)
    bundle = read_bundle(BUNDLE)
    for number in (1, 2):
        manifest = msgspec.structs.replace(bundle.manifest, name=f"b{number}")
        (tmp_path / f"b{number}.uncia").write_bytes(write_bundle(manifest, bundle.members))
    known = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(tmp_path.glob("*.uncia"))]
    activations = Activations(tmp_path)
    with ThreadPoolExecutor(4) as browsers:
        drawn = [*browsers.map(lambda n: activations.draw(known[n % 2], scene, None), range(4))]

    assert len(set(drawn)) == 1 and drawn[0].startswith(b"\xff\xd8")

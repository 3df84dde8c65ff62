"""One pass over a burst gives the same bytes as the trap's own functions for each file."""

import hashlib
import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from uncia_contract.bursts.regions import RegionRule, regions
from uncia_contract.pictures.preprocessing import model_input
from uncia_contract.scoring.burst_decoder import picture_thumbnail
from uncia_training.features import burst_pass
from uncia_training.features.burst_pass import Look, look_at

SIZES = ((32, 32), (224, 224), (120, 120))


def jpeg(number: int) -> bytes:
    """Hills of 1600 x 1200 pixels, and a dark spot that moves."""
    hills = Image.fromarray(np.random.default_rng(1).integers(60, 160, (12, 16, 3), dtype=np.uint8))
    picture = np.array(hills.resize((1600, 1200)))
    picture[500:640, 200 + 350 * number : 380 + 350 * number] = 20
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG")
    return out.getvalue()


BURST = [jpeg(number) for number in range(3)]


def looks(burst: list[bytes], read: Counter[int]) -> list[Look | str]:
    """Passes over a burst; `read` counts how often each file is read."""

    def reader(number: int) -> bytes:
        read[number] += 1
        return burst[number]

    readers = [lambda number=number: reader(number) for number in range(len(burst))]
    return list(look_at(readers, [None] * len(burst), RegionRule(), lambda index, content, region: SIZES))


@pytest.mark.parametrize(("kept", "most"), [(burst_pass.KEPT_BYTES, 1), (0, 1 + len(SIZES))], ids=["kept", "no room"])
def test_inputs_equal_the_traps(kept: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole frames and regions of several DCT scales; a file is read again only if memory is short."""
    monkeypatch.setattr(burst_pass, "KEPT_BYTES", kept)
    read = Counter[int]()
    found = looks(BURST, read)
    chosen = regions([picture_thumbnail(data, RegionRule()) for data in BURST], RegionRule())
    for data, look, choice in zip(BURST, found, chosen, strict=True):
        assert isinstance(look, Look)
        assert look.content == hashlib.sha256(data).digest()
        assert [part.region for part in look.parts] == [None, choice.region]
        for part in look.parts:
            for size in SIZES:
                assert np.array_equal(part.inputs[size], model_input(data, size, part.region))
    assert choice.region is not None and max(read.values()) == most


def test_a_broken_picture_has_its_reason_and_the_others_their_regions() -> None:
    """Three frames can still be compared."""
    found = looks([*BURST[:2], b"none", BURST[2]], Counter())
    assert isinstance(found[2], str) and "not a JPEG" in found[2]
    assert [len(look.parts) for look in found if isinstance(look, Look)] == [2, 2, 2]

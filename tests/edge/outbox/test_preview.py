"""Thumbnails for sending: small, upright, of the best frame, and left out when the link is too slow."""

import hashlib
import io
from pathlib import Path

import msgspec
import pytest
from PIL import ExifTags, Image
from tests.edge.scene import BUNDLE, Told, burst_of, jpeg, reading, slope

from support.records import make_record
from uncia_contract.messages.records import Preview, SequenceRecord, decode, encode
from uncia_edge.delivery.link_state import InFlight, Limits, Piece, Window
from uncia_edge.outbox.preview import make_preview
from uncia_edge.outbox.store import Outbox
from uncia_edge.scoring.observer import Observer


def trap(folder: Path, *scores: float) -> Observer:
    return Observer("ridge-01", Told(*scores), BUNDLE, Outbox(folder / "outbox"), reading, preview_px=320)


def test_a_positive_record_has_a_thumbnail_of_its_best_frame(tmp_path: Path) -> None:
    """Scoring starts in the middle, so the second score is that of frame 2; the originals stay as recorded."""
    contents = [jpeg(slope(n)) for n in (1, 2, 3)]
    one = trap(tmp_path, 0.7, 0.95, 0.7)
    assert one.observe(burst_of(tmp_path / "b", contents)).safe
    [item] = one._outbox.next()  # type: ignore[attr-defined]
    preview = item.record.preview
    assert preview is not None
    assert (preview.n, Image.open(io.BytesIO(preview.jpeg)).size) == (2, (320, 240))
    assert len(encode(item.record)) < 16_000
    stored = [one._outbox.frame_path(item.record.id, n).read_bytes() for n in range(3)]  # type: ignore[attr-defined]
    assert stored == contents


def test_a_thumbnail_is_upright_and_never_larger_than_its_picture(tmp_path: Path) -> None:
    """EXIF rotation is applied, because a thumbnail has no EXIF."""
    exif, out = Image.Exif(), io.BytesIO()
    exif[ExifTags.Base.Orientation] = 6
    slope().resize((100, 60)).save(out, "JPEG", exif=exif)
    (tmp_path / "a.jpg").write_bytes(out.getvalue())
    preview = make_preview(0, tmp_path / "a.jpg", 320)
    assert preview is not None
    assert (preview.width, preview.height) == (60, 100)


def test_a_picture_that_cannot_be_decoded_has_no_thumbnail(tmp_path: Path) -> None:
    """The record is sent without one."""
    (tmp_path / "a.jpg").write_bytes(jpeg()[:2000])
    assert make_preview(0, tmp_path / "a.jpg", 320) is None


def test_a_record_with_a_thumbnail_round_trips() -> None:
    """The thumbnail is base64 in JSON."""
    record = msgspec.structs.replace(make_record("s1", [b"x"]), preview=Preview(0, 4, 3, b"\xff\xd8jpeg"))
    assert decode(encode(record), SequenceRecord) == record


@pytest.mark.parametrize(("packet_bytes", "sent"), [(100_000, True), (3000, False)])
def test_a_slow_link_gets_the_record_without_thumbnail(tmp_path: Path, packet_bytes: int, sent: bool) -> None:
    """With a broker's small packets or a slow link the thumbnail is left out and nothing is parked."""
    from tests.edge.delivery.test_sender import Trial

    from support.records import write_frames
    from uncia_edge.delivery.link import Connected

    trial = Trial(tmp_path)
    record = msgspec.structs.replace(make_record("s1", [b"x" * 10]), preview=Preview(0, 4, 3, b"j" * 8000))
    trial.outbox.add(record, write_frames(tmp_path / "spool", [b"x" * 10]))
    trial.connect(Connected(max_packet_bytes=packet_bytes))
    trial.exchange()
    assert trial.delivered == ["s1"]
    assert (trial.collector.records["s1"].preview is not None) is sent
    assert hashlib.sha256(trial.collector.frames["s1", 0]).hexdigest() == record.frames[0].sha256


def test_a_disconnect_while_a_record_was_sent_makes_the_next_one_smaller() -> None:
    """So no thumbnail can prevent a record from arriving."""
    window = Window(Limits())
    window.sent({1: InFlight(Piece(make_record("s1", [b"x"])), 15_000, 0.0)})
    window.broken()
    assert window.room().chunk_bytes < 15_000

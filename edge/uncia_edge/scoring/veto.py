"""Decides which sequences are not sent, or sent without their pictures, because they show people (`veto` in trap.toml).

They are the sequences whose label is in the veto, or whose probability of such a label reaches the threshold. The
camera's files stay as they are. In the record, a grey picture replaces each withheld one, so that every collector
accepts it like any other record.
"""

import hashlib
import io
from collections.abc import Collection
from pathlib import Path

import msgspec
from msgspec import UnsetType
from PIL import Image

from uncia_contract.files import write_atomic
from uncia_contract.messages.records import SequenceRecord
from uncia_edge.settings import VetoSends

WITHHELD = "withheld.jpg"


class Veto:
    """The labels whose pictures must not leave the trap; `sends` says what is sent of their sequences."""

    def __init__(self, labels: Collection[str] = (), sends: VetoSends = "nothing") -> None:
        self.labels, self.sends = frozenset(labels), sends

    def holds(self, record: SequenceRecord) -> bool:
        """Whether the record's pictures must not leave. False for a test: the person in it asked for it."""
        told = {} if isinstance(record.probabilities, UnsetType) else record.probabilities
        likely = {label for label, probability in told.items() if probability >= record.threshold}
        return not record.test and bool(self.labels & {record.label, *likely})

    def unknown(self, labels: Collection[str]) -> list[str]:
        """The labels of the veto that the bundle does not have, so that nothing is withheld for them."""
        return sorted(self.labels - {*labels})


def withheld(record: SequenceRecord, folder: Path) -> tuple[SequenceRecord, list[Path]]:
    """The record with a grey picture in place of each frame, and the path of that picture, once for each frame.

    The picture is written to `folder`.

    Raises:
        OSError: the folder cannot be written.
    """
    buffer, path = io.BytesIO(), folder / WITHHELD
    Image.new("RGB", (64, 48), (128, 128, 128)).save(buffer, "JPEG")
    content = buffer.getvalue()
    write_atomic(path, content)
    grey = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "region": None}
    frames = tuple(msgspec.structs.replace(frame, **grey) for frame in record.frames)
    return msgspec.structs.replace(record, frames=frames, preview=None), [path] * len(frames)

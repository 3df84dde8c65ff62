"""People in pictures: sequences that are not sent, or whose pictures are withheld (`veto` in trap.toml).

Decides which: those that the bundle calls by such a label, or gives it at least the threshold's probability. The
camera's own files stay where they are. A withheld picture is a grey one, so that every collector takes the record as
any other.
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
    """The labels whose pictures do not leave the trap. `sends` is what of their sequences does."""

    def __init__(self, labels: Collection[str] = (), sends: VetoSends = "nothing") -> None:
        self.labels, self.sends = frozenset(labels), sends

    def holds(self, record: SequenceRecord) -> bool:
        """Whether its pictures may not leave; a test was asked for by who stands in it."""
        told = {} if isinstance(record.probabilities, UnsetType) else record.probabilities
        likely = {label for label, probability in told.items() if probability >= record.threshold}
        return not record.test and bool(self.labels & {record.label, *likely})

    def unknown(self, labels: Collection[str]) -> list[str]:
        """The labels of the veto that are none of the bundle's: nothing is withheld for them."""
        return sorted(self.labels - {*labels})


def withheld(record: SequenceRecord, folder: Path) -> tuple[SequenceRecord, list[Path]]:
    """The record with a grey picture in place of each of its own, and their files, which are one in `folder`.

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

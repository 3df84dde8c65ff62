"""Writes a training run's folder: the head, its backbone, and what is needed to explain or repeat the run.

Decides which files a run has and the values in `run.json`; the converter reads the same files.
"""

import hashlib
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from uncia_backbones.folder import DESCRIPTION, FLOAT, INT8
from uncia_contract.datasets.csv_labels import write_labels
from uncia_contract.errors import DataError, StorageError
from uncia_contract.json_text import indented_json
from uncia_contract.model.heads import LogisticHead, head_to_bytes
from uncia_contract.model.manifest import Source
from uncia_contract.runs.held_out import HeldOut, held_out_to_bytes
from uncia_contract.runs.labels import LabelledPicture
from uncia_contract.runs.run_folder import RUN, RUN_HELD_OUT, RUN_PICTURES, Run
from uncia_training.features.backbone_folder import BackboneFolder

VERSIONS = ("uncia", "numpy", "Pillow", "ai-edge-litert", "scikit-learn")


def write_run(
    folder: Path,
    run: Run,
    head: LogisticHead,
    backbone: BackboneFolder,
    pictures: Sequence[LabelledPicture],
    held_out: HeldOut | None = None,
) -> None:
    """Write the run into its folder, `run.json` last, so that a folder with that file is complete.

    Args:
        folder: the folder to write.
        run: the content of `run.json`.
        head: the fitted head.
        backbone: the backbone that gave the features.
        pictures: the pictures on which the converter compares the integer and the float model.
        held_out: the held-out heads for these pictures; without them the converter cannot make a bundle.

    Raises:
        StorageError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RUN).unlink(missing_ok=True)
        (folder / "head.npz").write_bytes(head_to_bytes(head))
        for name in (INT8, DESCRIPTION, FLOAT):
            if (backbone.folder / name).exists():
                (folder / name).write_bytes((backbone.folder / name).read_bytes())
        write_labels(folder / RUN_PICTURES, pictures)
        (folder / RUN_HELD_OUT).unlink(missing_ok=True)
        if held_out is not None:
            (folder / RUN_HELD_OUT).write_bytes(held_out_to_bytes(held_out))
        (folder / RUN).write_bytes(indented_json(run))
    except OSError as error:
        raise StorageError(f"{folder}: the run cannot be written ({error.strerror})") from error


def fingerprint(pictures: Sequence[LabelledPicture], contents: Mapping[str, str]) -> str:
    """The sha256 over the name, label, sequence and bytes of all pictures; it does not depend on the folder.

    `contents` gives the sha256 of each file, by the picture's name.
    """
    whole = hashlib.sha256()
    for picture in sorted(pictures, key=lambda picture: picture.file):
        row = (picture.file, picture.label, picture.sequence, contents[picture.file])
        whole.update("\0".join(row).encode() + b"\n")
    return whole.hexdigest()


def sources_of(pictures: Sequence[LabelledPicture], known: Sequence[Source]) -> tuple[Source, ...]:
    """The sources of the pictures, counted, with licence and doubts from `known`; then known ones without pictures."""
    counts = Counter(picture.source or "unnamed" for picture in pictures)
    by_name = {source.name: source for source in known}
    named = [by_name.get(name, Source(name, "not stated")) for name in sorted(counts)]
    counted = [msgspec.structs.replace(source, pictures=counts[source.name]) for source in named]
    return (*counted, *[source for source in known if source.name not in counts])


def read_sources(path: Path | None) -> list[Source]:
    """The sources in a JSON list; an empty list if `path` is None.

    Raises:
        DataError: the file cannot be read, or holds something else.
    """
    if path is None:
        return []
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Source])
    except (OSError, msgspec.DecodeError) as error:
        raise DataError(f"{path}: {error}; expected a JSON list of {{name, licence, attribution, doubts}}") from error


def newest(pictures: Sequence[LabelledPicture]) -> datetime:
    """The file time of the newest picture. A run has this time, so that a repetition of the run has the same."""
    times = [picture.path.stat().st_mtime for picture in pictures if picture.path.exists()]
    return datetime.fromtimestamp(int(max(times, default=0)), UTC)


def surroundings() -> dict[str, Any]:
    """The versions of packages, and the code's git commit (with `+` for uncommitted changes), to repeat the run."""
    return {"versions": {name: metadata.version(name) for name in VERSIONS}, "git": _git_commit()}


def _git_commit() -> str:
    here = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"], cwd=here, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip()

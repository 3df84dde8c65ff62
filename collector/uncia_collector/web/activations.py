"""Draws activation maps over stored frames, with the bundle that scored them.

Decides when there is a map:
#1 the station's folder of bundles has the same bundle (by its file's SHA-256),
#2 the bundle's features are pooled,
#3 a TFLite runtime is installed.
If one is missing, `trouble` gives a sentence for the page. Maps are drawn on request, one at a time.
"""

import hashlib
import io
import threading
from collections import OrderedDict
from pathlib import Path

from uncia_contract.errors import DataError, UnciaError
from uncia_contract.model.activation import Explainer, overlay
from uncia_contract.model.bundle import Bundle, read_bundle
from uncia_contract.pictures.jpeg import open_jpeg
from uncia_contract.pictures.preprocessing import model_input
from uncia_contract.pictures.region import Region

MOST_LOADED = 2  # few, because an explainer holds every tensor of its model
WIDTH = 1200  # of the drawn picture, in pixels, at most


class Activations:
    """Draws activation maps with the bundles in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        self._hashes: dict[tuple[str, int, int], str] = {}
        self._loaded: OrderedDict[str, tuple[Bundle, Explainer]] = OrderedDict()
        self._refused: dict[str, str] = {}

    def trouble(self, sha256: str) -> str:
        """Why there are no maps for the bundle with this SHA-256; empty if there are."""
        with self._lock:
            if sha256 not in self._loaded and sha256 not in self._refused:
                path = self._path(sha256)
                if path is None:
                    return f"this bundle is not in the station's folder {self.folder.name}/"
                self._load(sha256, path)
            return self._refused.get(sha256, "")

    def draw(self, sha256: str, picture: bytes, region: Region | None) -> bytes:
        """The picture with its map as a JPEG without EXIF.

        Places that raise the animal's score are red, places that lower it are blue.

        Raises:
            DataError: there are no maps for this bundle; the message is that of `trouble`.
            FrameError: the picture cannot be decoded.
        """
        image = open_jpeg(picture)
        with self._lock:  # so that no other thread unloads this bundle between `trouble` and `activation`
            if trouble := self.trouble(sha256):
                raise DataError(trouble)
            bundle, explainer = self._loaded[sha256]
            self._loaded.move_to_end(sha256)
            places = explainer.activation(model_input(image, bundle.manifest.input_size, region))
        buffer = io.BytesIO()
        overlay(image, places, region, WIDTH).save(buffer, "JPEG", quality=80)
        return buffer.getvalue()

    def _path(self, sha256: str) -> Path | None:
        for path in sorted(self.folder.glob("*.uncia")):
            status = path.stat()
            known = (path.name, status.st_size, status.st_mtime_ns)
            if known not in self._hashes:
                self._hashes[known] = hashlib.sha256(path.read_bytes()).hexdigest()
            if self._hashes[known] == sha256:
                return path
        return None

    def _load(self, sha256: str, path: Path) -> None:
        try:
            bundle = read_bundle(path)
            self._loaded[sha256] = bundle, Explainer(bundle)
        except UnciaError as error:
            self._refused[sha256] = str(error)
        if len(self._loaded) > MOST_LOADED:
            self._loaded.popitem(last=False)

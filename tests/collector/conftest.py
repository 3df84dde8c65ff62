"""Fixtures of the collector's tests: sequences as a trap sends them, and catalogues on SQLite and PostgreSQL."""

import getpass
import hashlib
import io
import itertools
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from argon2 import PasswordHasher
from msgspec import UNSET
from PIL import Image
from sqlalchemy import text

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.schema import metadata
from uncia_collector.ingest.frame_folder import FrameFolder
from uncia_collector.ingest.store import Store
from uncia_collector.ingest.wire_messages import RawMessage, parse_message
from uncia_collector.settings import sqlite_url
from uncia_contract.messages.records import BundleIdentity, ClockTrust, FrameEntry, Preview, SequenceRecord, encode
from uncia_contract.messages.topics import MAX_CHUNK_BYTES, Topics

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


def jpeg(seed: int = 0, size: tuple[int, int] = (64, 48)) -> bytes:
    """A small noisy JPEG, different for every seed."""
    noise = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


# Where the tests' places are, in every form in which a header, a table or a page may tell them.
LATITUDE, LONGITUDE, NAMED = 36.9123, 73.0456, "Above the spring"
TELLING = ("36.91", "73.04", "73.05", "36,91", "36/1", "above the spring", "36 deg")


def tells_of(content: bytes) -> list[str]:
    """The forms of the place that are in these bytes, GPS in EXIF included."""
    text = content.lower()
    found = [word for word in TELLING if word.encode() in text]
    if content.startswith(b"\xff\xd8"):
        exif = Image.open(io.BytesIO(content)).getexif()
        found += ["gps"] if exif.get_ifd(0x8825) or 0x8825 in exif else []
    return found


def jpeg_with_place(**changed) -> bytes:
    """A JPEG with its place in all known forms: GPS and text in EXIF, XMP, a comment, a second picture."""
    exif = Image.Exif()
    exif.update({0x010F: "Maker", 0x0110: "CAM", 0x010E: NAMED, 0x0112: 6, 0x0132: "2026:11:23 03:00:00"})
    exif[0x8825] = {1: "N", 2: (36.0, 54.0, 44.28), 3: "E", 4: (73.0, 2.0, 44.16)}
    exif[0x8769] = {36867: "2026:11:23 03:00:00", 37521: "250", 37500: b"maker note 36.9123", 37510: b"36.9123 73.0456"}
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><exif:GPSLatitude>36,91.23N</exif:GPSLatitude></x:xmpmeta>'
    noise = np.random.default_rng(1).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    buffer, options = io.BytesIO(), {"quality": 80, "exif": exif, "xmp": xmp, "comment": b"36.9123 N 73.0456 E"}
    Image.fromarray(noise).save(buffer, "JPEG", **(options | changed))
    second = io.BytesIO()
    Image.fromarray(noise).save(second, "JPEG", exif=exif)
    return buffer.getvalue() + second.getvalue()


@dataclass
class SentSequence:
    """The messages that a trap publishes for one sequence."""

    id: str = "000001"
    trap: str = "ridge"
    pictures: list[bytes] = field(default_factory=lambda: [jpeg(0), jpeg(1)])
    started_at: datetime = NOW - timedelta(hours=3)
    score: float = 0.9
    positive: bool = True
    audit: bool = False
    bundle: BundleIdentity = field(default_factory=lambda: BundleIdentity("starter", 1, "0" * 64))
    preview: Preview | None = None
    region: tuple[float, float, float, float] = (0.1, 0.2, 0.5, 0.5)
    label: str = "snow_leopard"
    probabilities: dict[str, float] | None = None
    test: bool = False
    camera: str = ""

    @property
    def record(self) -> SequenceRecord:
        """The record."""
        entries = [
            FrameEntry(
                n=n,
                name=f"IMG_{n:04d}.JPG",
                sha256=hashlib.sha256(picture).hexdigest(),
                size=len(picture),
                taken_at=self.started_at + timedelta(seconds=n),
                score=self.score,
                region=self.region,
            )
            for n, picture in enumerate(self.pictures)
        ]
        return SequenceRecord(
            id=self.id,
            trap=self.trap,
            event=self.id,
            started_at=self.started_at,
            ended_at=self.started_at + timedelta(seconds=len(entries) - 1),
            clock=ClockTrust(synchronised=True, boot_id="boot", boottime_s=10.0),
            frames=tuple(entries),
            frames_scored=len(entries),
            confidence=self.score,
            upper_bound=False,
            threshold=0.5,
            positive=self.positive,
            label=self.label,
            bundle=self.bundle,
            audit=self.audit,
            preview=self.preview,
            probabilities=self.probabilities or UNSET,
            test=self.test,
            camera=self.camera,
        )

    def record_message(self) -> RawMessage:
        """The record's message."""
        return RawMessage(Topics(self.trap).record(self.id), encode(self.record))

    def chunk_messages(self, n: int, step: int = MAX_CHUNK_BYTES) -> list[RawMessage]:
        """The messages of frame `n`, in order."""
        picture = self.pictures[n]
        properties = [("sha256", hashlib.sha256(picture).hexdigest()), ("size", str(len(picture)))]
        return [
            RawMessage(Topics(self.trap).chunk(self.id, n, start), picture[start : start + step], properties)
            for start in range(0, len(picture), step)
        ]

    def messages(self, step: int = MAX_CHUNK_BYTES) -> list[RawMessage]:
        """All messages, in the trap's order."""
        return [
            self.record_message(),
            *(message for n in range(len(self.pictures)) for message in self.chunk_messages(n, step)),
        ]


@dataclass
class StoreUnderTest:
    """A store, its catalogue and its folder."""

    database: Database
    root: Path
    store: Store

    def commit(self, *messages: RawMessage, now: datetime = NOW):
        """The receipts of one batch, by (trap, sequence)."""
        addressed = self.store.commit([parse_message(message) for message in messages], now)
        return {(item.trap, item.receipt.sequence): item.receipt for item in addressed}

    def files(self) -> dict[str, bytes]:
        """All files in the folder of frames, by name."""
        return {path.name: path.read_bytes() for path in self.root.glob("frames/**/*") if path.is_file()}


_END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


class PostgreSQL:
    """A private PostgreSQL server in its own folder, not run by root (initdb refuses root)."""

    def __init__(self, programs: Path, options: str = "-c fsync=off") -> None:
        self.programs, self.databases = programs, itertools.count()
        self._given_back: list[str] = []
        self.folder = Path(tempfile.mkdtemp(prefix="uncia-postgresql-"))
        self.user = "postgres" if os.getuid() == 0 else getpass.getuser()
        if os.getuid() == 0:
            shutil.chown(self.folder, self.user)
        self._run("initdb", "-D", "cluster", "-A", "trust", "-U", self.user, "-E", "UTF8", "--no-sync", "-N")
        self._options = f"-k {self.folder} -c listen_addresses= -c max_connections=60 {options}"
        self.start()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._run("pg_ctl", "-D", "cluster", "-w", "-l", "log", "-o", self._options, "start")

    def halt(self) -> None:
        """End the server as a crash does; `start` recovers it."""
        self._run("pg_ctl", "-D", "cluster", "-m", "immediate", "stop")

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"uncia{next(self.databases)}"
        self._run("createdb", "-h", str(self.folder), "-U", self.user, name)
        return f"postgresql+psycopg://{self.user}@/{name}?host={self.folder}"

    def new_catalogue(self) -> str:
        """The URL of an empty catalogue: one that was given back and emptied, else a new one."""
        if not self._given_back:
            url = self.new_database()
            database = Database(url)
            database.migrate()
            database.close()
            return url
        url = self._given_back.pop()
        database = Database(url)
        with database.writing() as connection:
            connection.execute(text(_END_OTHERS))
            connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY"))
        database.close()
        return url

    def give_back(self, url: str) -> None:
        """Give back a catalogue for reuse, because making one takes longer than emptying it."""
        self._given_back.append(url)

    def stop(self) -> None:
        """End the server and remove its folder."""
        self.halt()
        shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: str) -> None:
        user = self.user if os.getuid() == 0 else None
        command = [self.programs / program, *arguments]
        subprocess.run(command, cwd=self.folder, user=user, check=True, stdout=subprocess.DEVNULL, timeout=60)


def postgresql_programs() -> Path | None:
    """The folder of the newest server's programs on Debian; None without one."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A running PostgreSQL: `.new_database()` gives a URL."""
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("NO POSTGRESQL: install Debian's package `postgresql`; the catalogue was tested on SQLite only")
    server = PostgreSQL(programs)
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreUnderTest]:
    """An empty catalogue, once on SQLite and once on PostgreSQL."""
    on_sqlite = request.param == "sqlite"
    url = sqlite_url(tmp_path) if on_sqlite else request.getfixturevalue("postgresql").new_catalogue()
    database = Database(url)
    if on_sqlite:
        database.migrate()
    yield StoreUnderTest(database, tmp_path, Store(database, FrameFolder(tmp_path)))
    database.close()
    if not on_sqlite:
        request.getfixturevalue("postgresql").give_back(url)


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[StoreUnderTest]:
    """An empty catalogue on SQLite."""
    database = Database(sqlite_url(tmp_path))
    database.migrate()
    yield StoreUnderTest(database, tmp_path, Store(database, FrameFolder(tmp_path)))
    database.close()


@pytest.fixture
def sent() -> SentSequence:
    """One sequence of two frames."""
    return SentSequence()


@pytest.fixture
def make_sequence() -> type[SentSequence]:
    """A function that makes sequences."""
    return SentSequence


@pytest.fixture
def make_jpeg():
    """A function that makes small JPEGs."""
    return jpeg


@pytest.fixture
def placed_jpeg():
    """A function that makes JPEGs with the place where they were taken."""
    return jpeg_with_place


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """argon2 with a low cost for tests; the program uses its library's default."""
    hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr("uncia_collector.catalogue.people._HASHER", hasher)


@pytest.fixture(autouse=True)
def no_log_outlives_its_test() -> Iterator[None]:
    """`serve` writes to the standard error of its test, which is closed afterwards."""
    yield
    root = logging.getLogger()
    for handler in [one for one in root.handlers if type(one) is logging.StreamHandler]:
        root.removeHandler(handler)

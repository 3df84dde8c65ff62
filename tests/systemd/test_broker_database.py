"""A broker with a database that a power cut damaged: it is set aside, and the broker starts. With a real Mosquitto."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import MOSQUITTO, Mosquitto

SCRIPT = Path(__file__).parents[2] / "systemd" / "uncia-broker-database"
pytestmark = pytest.mark.heavy


@pytest.fixture
def broker(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """A stopped Mosquitto with a retained message in its database."""
    from paho.mqtt.publish import multiple

    started = start_mosquitto()
    told = [{"topic": f"uncia/v1/ridge-01/{n}", "payload": "x" * 500, "qos": 1, "retain": True} for n in range(40)]
    multiple(told, started.host, started.port)
    started.stop()
    return started


def ended(database: Path, result: str = "exit-code", path: str = "") -> str:
    """The output of the drop-in's script after the broker has ended with this result."""
    environment = {"SERVICE_RESULT": result, "PATH": path or f"{Path(str(MOSQUITTO)).parent}:{os.environ['PATH']}"}
    command = [sys.executable, str(SCRIPT), str(database)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


def nul_filled(content: bytes) -> bytes:
    return bytes(len(content))


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def cut_in_its_header(content: bytes) -> bytes:
    return content[:5]


def other_bytes(content: bytes) -> bytes:
    return random.Random(1).randbytes(len(content))


DAMAGE = [nul_filled, truncated, cut_in_its_header, other_bytes]


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__.replace("_", " "))
def test_a_damaged_database_is_set_aside_and_the_broker_starts(
    broker: Mosquitto, damage: Callable[[bytes], bytes]
) -> None:
    """One line of the highest urgency, with Mosquitto's own reason; the damaged file is kept as it was."""
    database = broker.folder / "mosquitto.db"
    database.write_bytes(content := damage(database.read_bytes()))
    with pytest.raises(AssertionError, match="mosquitto left"):
        broker.start()
    broker.process = None
    said = ended(database)
    assert said.startswith("<2>uncia: the broker's database was damaged (") and said.count("\n") == 1
    assert (database.exists(), database.with_name("mosquitto.db.damaged").read_bytes()) == (False, content)
    broker.start()


def test_an_empty_database_does_not_keep_the_broker_from_starting(broker: Mosquitto) -> None:
    """Mosquitto starts as if there were none; nothing is set aside."""
    database = broker.folder / "mosquitto.db"
    database.write_bytes(b"")
    assert "not because of its database" in ended(database)
    assert database.exists()
    broker.start()


def test_a_sound_database_is_left_as_it_is(broker: Mosquitto) -> None:
    """A broker that fails for another reason keeps its sessions."""
    database = broker.folder / "mosquitto.db"
    content = database.read_bytes()
    assert "not because of its database" in ended(database)
    assert database.read_bytes() == content


def test_a_broker_that_was_stopped_in_order_is_not_asked(broker: Mosquitto) -> None:
    """No broker is started, whatever the file contains."""
    database = broker.folder / "mosquitto.db"
    database.write_bytes(b"damaged")
    assert (ended(database, "success"), database.read_bytes()) == ("", b"damaged")


def test_a_broker_that_never_starts_keeps_its_database(broker: Mosquitto, tmp_path: Path) -> None:
    """With a half-installed package or a missing library, the failure says nothing about the file."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "mosquitto"
    program.write_text("#!/bin/sh\necho 'Error: no libwebsockets' >&2\nexit 127\n")
    program.chmod(0o755)
    database = broker.folder / "mosquitto.db"
    said = ended(database, path=f"{program.parent}:/usr/bin:/bin")
    assert ("does not start either (Error: no libwebsockets)" in said, database.exists()) == (True, True)


def test_a_second_damage_is_set_aside_as_well_and_one_file_is_kept(broker: Mosquitto) -> None:
    """So they do not fill the card."""
    database = broker.folder / "mosquitto.db"
    for content in (b"first", b"second"):
        database.write_bytes(content)
        ended(database)
    assert [path.read_bytes() for path in broker.folder.glob("mosquitto.db*")] == [b"second"]

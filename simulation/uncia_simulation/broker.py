"""The broker of a simulation: Mosquitto as a child process where it is installed, else the pip-installable iotcore.

Decides how each is configured to listen on loopback with MQTT 5 and payloads as large as needed. This is not a set-up
for production; see systemd/ and docs/field-guide.md.
"""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Protocol

from uncia_contract.errors import BrokerError

HOST = "127.0.0.1"
START_TIMEOUT_S = 15.0

_MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
max_queued_messages 0
persistence true
persistence_location {folder}/
autosave_interval 1
autosave_on_changes true
log_dest file {folder}/mosquitto.log
{user}
"""
_IOTCORE = """\
id = 0

[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10

[v5.1]
name = "v5-1"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 16777216
max_inflight_count = 100
"""


class _Process(Protocol):
    def stop(self) -> None: ...


class EmbeddedBroker:
    """A broker on a free loopback port. A context manager; the broker can be stopped and started again within it."""

    def __init__(self, folder: Path, prefer: str = "mosquitto") -> None:
        """Choose the broker, without starting it.

        Args:
            folder: holds its configuration, log and session store; it is made if needed.
            prefer: `mosquitto` (used if it is installed) or `iotcore`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._mosquitto = _find_mosquitto() if prefer == "mosquitto" else None
        self.host, self.port = HOST, _free_port()
        self._process: _Process | None = None

    @property
    def name(self) -> str:
        """The broker's name: `mosquitto` or `iotcore`."""
        return "mosquitto" if self._mosquitto else "iotcore"

    def __enter__(self) -> "EmbeddedBroker":
        """Start the broker."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the broker."""
        self.stop()

    def start(self) -> None:
        """Start the broker and wait until it listens.

        Raises:
            BrokerError: it does not listen within 15 s.
        """
        self._process = _Mosquitto(self._mosquitto, self._folder, self.port) if self._mosquitto else self._iotcore()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not is_listening(self.host, self.port):
            if time.monotonic() > deadline:
                raise BrokerError(f"{self.name} does not listen on {self.host}:{self.port}; see {self._folder}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop the broker, if it runs."""
        process, self._process = self._process, None
        if process is not None:
            process.stop()

    def _iotcore(self) -> _Process:
        from iotcore import Broker

        configuration = self._folder / "iotcore.toml"
        configuration.write_text(_IOTCORE.format(port=self.port))
        broker = Broker(config_path=str(configuration))
        broker.start()
        process: _Process = broker
        return process


class _Mosquitto:
    def __init__(self, program: str, folder: Path, port: int) -> None:
        configuration = folder / "mosquitto.conf"
        user = "user root" if os.getuid() == 0 else ""
        configuration.write_text(_MOSQUITTO.format(port=port, folder=folder.absolute(), user=user))
        self._child = subprocess.Popen(
            [program, "-c", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def stop(self) -> None:
        self._child.terminate()
        self._child.wait(10)


def is_listening(host: str, port: int) -> bool:
    """Whether a server accepts connections at that address."""
    try:
        with socket.create_connection((host, port), timeout=0.5):
            return True
    except OSError:
        return False


def _find_mosquitto() -> str | None:
    """The path of mosquitto, or None. Debian installs it in a folder that is only on root's PATH."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port

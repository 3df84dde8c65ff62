"""Trap, broker and collector as real programs, each in a process that may be killed at any moment."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

ENVIRONMENT = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
SHIPPED = Path(__file__).parents[2] / "systemd" / "mosquitto.conf"
# How often the base station's broker saves, as in the shipped configuration.
SHIPPED_SAVING = "\n".join(line for line in SHIPPED.read_text().splitlines() if line.startswith("autosave"))
COLLECTOR = """
data = "{folder}/data"
[broker]
port = {port}
keepalive_s = 5
[http]
port = 0
"""


class Station:
    """A broker and a collector, and whatever else a test configures as `<name>.toml`.

    Args:
        folder: where configuration, state, data and logs lie.
        broker: the fixture `mosquitto`.
    """

    commands = {"trap": ("uncia_edge.cli.main", "run"), "collector": ("uncia_collector.cli.main", "serve")}  # noqa: RUF012

    def __init__(self, folder: Path, broker: Any) -> None:
        self.folder, self.broker = folder, broker
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.configure("collector", COLLECTOR)

    def configure(self, name: str, text: str) -> None:
        """Write `<name>.toml` with `{folder}` and `{port}` replaced."""
        (self.folder / f"{name}.toml").write_text(text.format(folder=self.folder, port=self.broker.port))

    def start(self, name: str) -> None:
        """Start one of the programs."""
        if name == "broker":
            self.broker.start()
            return
        module, command = self.commands[name]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*program(module), command, "--config", str(self.folder / f"{name}.toml")],
                stdout=log,
                stderr=log,
                env=ENVIRONMENT,
            )

    def kill(self, name: str) -> None:
        """Kill a program with SIGKILL; it is a failure if it has ended by itself."""
        if name == "broker":
            self.broker.kill()
            return
        process = self.processes[name]
        assert process.poll() is None, f"{name} ended by itself: {self.log(name)[-2000:]}"
        process.send_signal(signal.SIGKILL)
        process.wait(60)

    def log(self, name: str) -> str:
        """The output of a program."""
        return (self.folder / f"{name}.log").read_text()

    def catalogue(self) -> list[dict[str, Any]]:
        """The output of `uncia-collect list --json`."""
        listing = [*program("uncia_collector.cli.main"), "list", "--data", str(self.folder / "data"), "--json"]
        found: list[dict[str, Any]] = json.loads(
            subprocess.run(listing, capture_output=True, check=True, env=ENVIRONMENT).stdout
        )
        return found

    def stored(self) -> list[tuple[str, ...]]:
        """For each sequence of the catalogue the sha256 of its files' bytes; they must be those in the catalogue."""
        found = []
        for sequence in self.catalogue():
            hashes = tuple(sha256_of(self.folder / "data" / file["path"]) for file in sequence["files"])
            assert hashes == tuple(file["sha256"] for file in sequence["files"])
            found.append(hashes)
        return sorted(found)

    def close(self) -> None:
        """End the programs that still run."""
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait(60)


def program(module: str) -> list[str]:
    """The command line of a package's `main`, without its installed script."""
    return [sys.executable, "-c", f"import sys; from {module} import main; sys.exit(main(sys.argv[1:]))"]


def sha256_of(path: Path) -> str:
    """The sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()

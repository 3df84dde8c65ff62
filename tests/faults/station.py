"""Trap, broker and collector as the real programs, each a process of its own that may be killed at any moment."""

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
# How often the base station's broker saves, as shipped.
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
        """Write `<name>.toml`; `{folder}` and `{port}` are filled in."""
        (self.folder / f"{name}.toml").write_text(text.format(folder=self.folder, port=self.broker.port))

    def start(self, name: str) -> None:
        """Start one of them."""
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
        """SIGKILL, in the middle of whatever it does; one that has ended by itself is a failure."""
        if name == "broker":
            self.broker.kill()
            return
        process = self.processes[name]
        assert process.poll() is None, f"{name} ended by itself: {self.log(name)[-2000:]}"
        process.send_signal(signal.SIGKILL)
        process.wait(60)

    def log(self, name: str) -> str:
        """What a program has said."""
        return (self.folder / f"{name}.log").read_text()

    def catalogue(self) -> list[dict[str, Any]]:
        """What `uncia-collect list --json` says."""
        listing = [*program("uncia_collector.cli.main"), "list", "--data", str(self.folder / "data"), "--json"]
        found: list[dict[str, Any]] = json.loads(
            subprocess.run(listing, capture_output=True, check=True, env=ENVIRONMENT).stdout
        )
        return found

    def stored(self) -> list[tuple[str, ...]]:
        """Each sequence of the catalogue as the sha256 of its files, of their bytes; they must be those it claims."""
        found = []
        for sequence in self.catalogue():
            hashes = tuple(sha256_of(self.folder / "data" / file["path"]) for file in sequence["files"])
            assert hashes == tuple(file["sha256"] for file in sequence["files"])
            found.append(hashes)
        return sorted(found)

    def close(self) -> None:
        """End what still runs."""
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait(60)


def program(module: str) -> list[str]:
    """The command line of a package's `main`, without its installed script."""
    return [sys.executable, "-c", f"import sys; from {module} import main; sys.exit(main(sys.argv[1:]))"]


def sha256_of(path: Path) -> str:
    """Of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()

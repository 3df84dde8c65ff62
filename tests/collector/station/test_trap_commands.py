"""`ask` at the base station; tests/end_to_end/test_commands.py runs it with a trap and a broker."""

import fcntl
from pathlib import Path

import pytest

from uncia_collector.settings import BrokerSettings
from uncia_collector.station.trap_commands import CommandClient
from uncia_contract.errors import BrokerError, ConfigurationError
from uncia_contract.messages.topics import Topics


def client(key: Path) -> CommandClient:
    broker = BrokerSettings(port=1, certificate="c.pem", key="c.key", ask_certificate="a.pem", ask_key=str(key))
    return CommandClient(broker, Topics("ridge-01"), timeout_s=0.2)


def test_one_ask_runs_at_a_time(tmp_path: Path) -> None:
    """With one certificate there is one session: the broker would end the first one."""
    key = tmp_path / "ask.key"
    key.touch()
    with key.open() as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        with pytest.raises(BrokerError, match="another `uncia-collect ask` has not ended"), client(key):
            pass
    with pytest.raises(BrokerError, match="is it running"), client(key):  # not locked; no broker listens at port 1
        pass


def test_a_key_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing key file gives one line."""
    with pytest.raises(ConfigurationError, match=r"ask_key .*nowhere: No such file"), client(tmp_path / "nowhere"):
        pass

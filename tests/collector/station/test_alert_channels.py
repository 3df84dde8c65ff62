"""Webhook, Home Assistant and a program of the station's own; `uncia-collect check` tests each."""

import http.server
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from uncia_collector.cli.main import main
from uncia_collector.settings import AlertSettings
from uncia_collector.station.alert_channels import channels, check_channels, send_test
from uncia_contract.errors import ConfigurationError

TAKES = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"
SIGHTING = {"kind": "sighting", "station": "Base", "trap": "ridge", "label": "snow_leopard"}


def program(folder: Path, code: str = TAKES) -> tuple[str, ...]:
    return (sys.executable, "-c", code, str(folder / "heard.txt"))


def test_a_program_gets_the_message_on_its_standard_input(tmp_path: Path) -> None:
    """The subject is the first line."""
    [channel] = channels(AlertSettings(command=program(tmp_path)))
    channel.send("Base: sighting of snow_leopard ridge/1", SIGHTING)
    assert (tmp_path / "heard.txt").read_text().splitlines()[:2] == [
        "Base: sighting of snow_leopard ridge/1", "kind: sighting",
    ]  # fmt: skip


def test_a_program_that_fails_is_an_alert_that_was_not_sent(tmp_path: Path) -> None:
    """The error holds the end of its standard error."""
    [channel] = channels(AlertSettings(command=program(tmp_path, "import sys; sys.exit('no modem')")))
    with pytest.raises(OSError, match=r"ended with exit code 1 \(no modem\)"):
        channel.send("subject", SIGHTING)


def test_home_assistant_gets_an_event() -> None:
    """On the topic that the discovery message names."""
    heard = []
    [channel] = channels(AlertSettings(home_assistant=True), lambda topic, payload: heard.append((topic, payload)))
    channel.send("subject", SIGHTING)
    [(topic, payload)] = heard
    assert topic == "homeassistant/device/uncia_ridge/sighting"
    assert payload.startswith(b'{"event_type": "sighting"')


@pytest.fixture
def elsewhere() -> Iterator[tuple[int, list[str]]]:
    """A web server that redirects every POST, and the requests that it got."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(307)
            self.send_header("location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], asked
        server.shutdown()


def test_a_webhook_is_not_followed_elsewhere(elsewhere: tuple[int, list[str]]) -> None:
    """Attack: a server redirects the station's message into the station's own network."""
    port, asked = elsewhere
    [channel] = channels(AlertSettings(webhook=f"http://127.0.0.1:{port}/hook"))
    with pytest.raises(OSError, match=r"redirects to http://.*/elsewhere; redirects are not followed"):
        channel.send("subject", SIGHTING)
    assert asked == ["/hook"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (AlertSettings(webhook="http://127.0.0.1:1/"), "webhook http://127.0.0.1:1/"),
        (AlertSettings(webhook="http://127.0.0.1:port/"), "webhook http://127.0.0.1:port/"),
        (AlertSettings(smtp_host="127.0.0.1", smtp_port=1, mail_to=("a@example.org",)), "mail server 127.0.0.1:1"),
        (AlertSettings(command=("/nowhere/sms",)), "command /nowhere/sms: is not a program that can be run"),
    ],
    ids=["webhook", "webhook's port", "mail", "command"],
)
def test_a_channel_that_cannot_be_used_is_named(settings: AlertSettings, says: str) -> None:
    """`check` finds it before an alert is sent."""
    with pytest.raises(ConfigurationError, match=f"^\\[alerts\\] {says}"):
        check_channels(settings)


def test_check_tests_each_channel_and_sends_a_test_on_request(mosquitto, tmp_path, capsys) -> None:
    """`uncia-collect check --send-test`."""
    toml = tmp_path / "collector.toml"
    command = ", ".join(repr(word) for word in program(tmp_path))
    toml.write_text(
        f"data = 'data'\n[broker]\nport = {mosquitto.port}\n[alerts]\nhome_assistant = true\ncommand = [{command}]\n"
    )
    assert main(["check", "--config", str(toml)]) == 0
    assert "alerts by home_assistant and command: ready" in capsys.readouterr().out
    assert not (tmp_path / "heard.txt").exists()
    assert main(["check", "--send-test", "--config", str(toml)]) == 0
    assert "kind: test" in (tmp_path / "heard.txt").read_text()


def test_a_test_that_cannot_be_sent_is_one_line(tmp_path: Path) -> None:
    """The line names the channel."""
    [channel] = channels(AlertSettings(command=program(tmp_path, "raise SystemExit('no modem')")))
    with pytest.raises(ConfigurationError, match=r"command: the test was not sent: .*no modem"):
        send_test(channel, "Base")

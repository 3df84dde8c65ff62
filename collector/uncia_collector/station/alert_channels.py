"""The channels of alerts: webhook, mail, Home Assistant, and a program of the station's own; sending and checking.

`uncia-collect check` tests a channel before it is needed. A webhook's redirect is not followed, because its target was
not configured. A program gets the message on its standard input.
"""

import json
import smtplib
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from shutil import which
from typing import Any
from urllib.parse import urlsplit

from uncia_collector.settings import AlertSettings
from uncia_contract.errors import ConfigurationError

TIMEOUT_S = 15

Send = Callable[[str, dict[str, Any]], None]  # (subject, content)
Publish = Callable[[str, bytes], None]  # (topic, payload); returns when the broker has the message


@dataclass(frozen=True)
class Channel:
    """A way to send alerts; `digests` says that it also gets the daily digest."""

    name: str
    send: Send
    digests: bool = True


def channels(settings: AlertSettings, publish: Publish | None = None) -> list[Channel]:
    """The configured channels; Home Assistant only if there is a `publish` function."""
    home = []
    if publish is not None:
        home.append(Channel("home_assistant", lambda _subject, content: _publish_home(publish, content), digests=False))
    known = [
        Channel("webhook", lambda _subject, content: _post(settings.webhook, content)),
        Channel("mail", lambda subject, content: _mail(settings, subject, content)),
        *home,
        Channel("command", lambda subject, content: _run(settings.command, subject, content), digests=False),
    ]
    return [channel for channel in known if channel.name in settings.channels]


def home_topic(trap: str) -> str:
    """The topic on which Home Assistant gets a trap's sightings."""
    return f"homeassistant/device/uncia_{trap}/sighting"


def check_channels(settings: AlertSettings) -> None:
    """Check that the configured webhook, mail server and program can be used; nothing is sent.

    Raises:
        ConfigurationError: one cannot be reached, has no valid certificate, or refuses the login.
    """
    if "webhook" in settings.channels:
        _check_webhook(settings.webhook)
    if "mail" in settings.channels:
        _check_mail(settings)
    if "command" in settings.channels and which(settings.command[0]) is None:
        raise ConfigurationError(f"[alerts] command {settings.command[0]}: is not a program that can be run")


def send_test(channel: Channel, station: str) -> None:
    """Send a message marked as a test on one channel.

    Raises:
        ConfigurationError: the message could not be sent.
    """
    try:
        channel.send(f"{station}: test", {"kind": "test", "station": station, "trap": "check"})
    except Exception as error:
        raise ConfigurationError(f"[alerts] {channel.name}: the test was not sent: {error}") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        """Raise an error: redirects are not followed."""
        raise OSError(
            f"{code}: the server redirects to {newurl[:200]}; redirects are not followed, configure that address"
        )


_OPENER = urllib.request.build_opener(_NoRedirect)


def _post(url: str, content: dict[str, Any]) -> None:
    request = urllib.request.Request(url, json.dumps(content).encode(), {"content-type": "application/json"})  # noqa: S310
    with _OPENER.open(request, timeout=TIMEOUT_S):  # http(s) only, see AlertSettings
        pass


def _check_webhook(url: str) -> None:
    place = urlsplit(url)
    try:
        address = place.hostname or "", place.port or {"https": 443}.get(place.scheme, 80)
        with socket.create_connection(address, TIMEOUT_S) as plain:
            if place.scheme == "https":
                ssl.create_default_context().wrap_socket(plain, server_hostname=place.hostname).close()
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"[alerts] webhook {url}: {error}") from error


def _publish_home(publish: Publish, content: dict[str, Any]) -> None:
    publish(home_topic(content["trap"]), json.dumps({"event_type": content["kind"]} | content).encode())


def _run(command: tuple[str, ...], subject: str, content: dict[str, Any]) -> None:
    text = f"{subject}\n{_as_text(content)}\n"
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=False, timeout=TIMEOUT_S)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()[-150:]
        raise OSError(f"{command[0]} ended with exit code {done.returncode} ({said})")


def _as_text(content: dict[str, Any]) -> str:
    def text(value: Any) -> str:
        return ", ".join(f"{name} {part}" for name, part in value.items()) if isinstance(value, dict) else str(value)

    return "\n".join(f"{name}: {text(value)}" for name, value in content.items())


def _mail(settings: AlertSettings, subject: str, content: dict[str, Any]) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, settings.mail_from, ", ".join(settings.mail_to)
    message.set_content(_as_text(content))
    with _mail_server(settings) as server:
        server.send_message(message)


@contextmanager
def _mail_server(settings: AlertSettings) -> Iterator[smtplib.SMTP]:
    """A session with the mail server, logged in. With TLS, its certificate is checked before the password is sent."""
    with smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_S) as server:
        if settings.smtp_starttls:
            server.starttls(context=ssl.create_default_context(cafile=settings.smtp_ca or None))
        if settings.smtp_user:
            server.login(settings.smtp_user, Path(settings.smtp_password_file).read_text(encoding="utf-8").strip())
        yield server


def _check_mail(settings: AlertSettings) -> None:
    try:
        with _mail_server(settings):
            pass
    except (OSError, UnicodeDecodeError, smtplib.SMTPException) as error:
        where = f"[alerts] mail server {settings.smtp_host}:{settings.smtp_port}"
        raise ConfigurationError(f"{where}: {error}") from error

"""Executes the commands of the base station and replies with the same correlation data (DESIGN 7).

Decides which commands are accepted: `ping` and `send_frames` always. The others change the trap and are refused unless
the broker is authenticated (mutual TLS), because only its access list keeps other clients from our command topic.
"""

import logging
from collections.abc import Callable
from functools import partial

import msgspec

from uncia_contract.errors import BundleError, ConfigurationError, MessageError
from uncia_contract.messages.records import ByteRange, Command, Reply, SignedKeys, decode, encode
from uncia_contract.messages.topics import Topics
from uncia_edge.bundles.offers import Offers
from uncia_edge.delivery.link import MqttMessage, Received
from uncia_edge.delivery.sender import Delivery
from uncia_edge.service.overrides import DEFAULT, OverrideFile, Overrides
from uncia_edge.service.renewal import Renewal

_log = logging.getLogger(__name__)

_HARMLESS = ("ping", "send_frames")
_RENEWING = ("request_certificate", "install_certificate")
_MEANING: dict[tuple[str | None, object], str] = {
    ("budget_bytes", 0): ": no frames, records and their thumbnails only",
    ("budget_bytes", DEFAULT): ": as trap.toml says",
    ("threshold", DEFAULT): ": as the bundle says",
}


class Commands:
    """Executes commands and publishes the replies.

    Args:
        topics: the trap's topics.
        overrides: stores changed settings.
        apply: called with the overrides that are valid from now on.
        restart: ends the service, so that systemd starts it again.
        trusted: whether the broker is authenticated.
        offers: receives bundles.
        replace_keys: trusts the keys of a signed statement; returns its serial.
        ask_trial: asks for a test sighting.
        renewal: renews the certificate; None if no certificate is configured.
    """

    def __init__(
        self,
        topics: Topics,
        overrides: OverrideFile,
        apply: Callable[[Overrides], None],
        restart: Callable[[], None],
        trusted: bool,
        offers: Offers,
        replace_keys: Callable[[SignedKeys], int],
        ask_trial: Callable[[], None],
        renewal: Renewal | None = None,
    ) -> None:
        self._topics, self._overrides, self._apply = topics, overrides, apply
        self._restart, self._trusted, self._offers = restart, trusted, offers
        self._replace_keys, self._renewal = replace_keys, renewal
        self._simple = {
            "restart": (restart, "restarting"),
            "try": (ask_trial, "the next burst is sent as a test, whatever its verdict"),
        }

    def handle(self, message: Received, sender: Delivery) -> None:
        """Execute a message on the command topic and publish the reply. Errors become replies."""
        try:
            reply = self._obey(decode(message.payload, Command), sender)
        except (MessageError, ConfigurationError, BundleError) as error:
            reply = self._reply(False, str(error))
        except OSError as error:
            reply = self._reply(False, f"the card cannot be written: {error}")
        _log.info("command answered: %s %s", reply.ok, reply.detail)
        # Reply only on our own topic, whatever response topic was asked for: access lists protect no other.
        sender.publish(MqttMessage(self._topics.reply, encode(reply), correlation=message.correlation))

    def _obey(self, command: Command, sender: Delivery) -> Reply:
        if command.name not in _HARMLESS and not self._trusted:
            return self._reply(False, f"{command.name}: refused, because the broker is not authenticated (mutual TLS)")
        match command.name:
            case "ping":
                return self._reply(True, "pong")
            case "send_frames":
                return self._send_frames(command, sender)
            case "set":
                self._apply(self._overrides.set(command.key or "", command.value))
                return self._reply(
                    True, f"{command.key} = {command.value}{_MEANING.get((command.key, command.value), '')}"
                )
            case "restart" | "try":
                act, said = self._simple[command.name]
                act()
                return self._reply(True, said)
        return self._take(command)

    def _renew(self, command: Command, renewal: Renewal) -> Reply:
        if command.name == "request_certificate":
            return self._reply(True, renewal.request())
        renewal.install(str(command.value))
        self._restart()
        return self._reply(True, "the renewed certificate is here; restarting with it")

    def _take(self, command: Command) -> Reply:
        if command.offer is not None:
            return self._missing(command.offer.bundle.sha256, partial(self._offers.begin, command.offer))
        if command.piece is not None:
            return self._missing(command.piece.sha256, partial(self._offers.take, command.piece))
        if command.keys is not None:
            return self._reply(True, f"the keys of statement {self._replace_keys(command.keys)} hold now")
        if self._renewal is not None and command.name in _RENEWING:
            return self._renew(command, self._renewal)
        return self._reply(False, f"{command.name}: expected an offer, a piece of a bundle or keys")

    def _missing(self, sha256: str, receive: Callable[[], tuple[ByteRange, ...]]) -> Reply:
        """The reply with the missing ranges of an offered bundle; if none is missing, it is tested and installed."""
        if self._offers.is_in_use(sha256):
            return self._reply(True, "in use already")
        if missing := receive():
            left = sum(part.end - part.start for part in missing)
            return msgspec.structs.replace(self._reply(True, f"{left} bytes to come"), missing=missing)
        bundle = self._offers.install()
        self._restart()
        return self._reply(True, f"{bundle.name} {bundle.version} proved itself here; restarting with it")

    def _send_frames(self, command: Command, sender: Delivery) -> Reply:
        if command.sequence is None:
            return self._reply(False, "send_frames: expected a sequence")
        found = sender.send_first(command.sequence)
        return self._reply(found, "next in line" if found else f"{command.sequence} is not here any more")

    def _reply(self, ok: bool, detail: str) -> Reply:
        return Reply(ok, detail[:1000], self._overrides.current.revision)

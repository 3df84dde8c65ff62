"""What the base station may ask of a trap, answered under the same correlation data (DESIGN 7).

Decides which commands are obeyed: `ping` and `send_frames` always; `set` and `restart` change behaviour and are refused
unless the broker has been authenticated (mutual TLS), whose access list keeps others from speaking on our topic.
Offers of bundles are not taken yet, and say so.
"""

import logging
from collections.abc import Callable
from typing import Protocol

from uncia_contract.errors import ConfigurationError, MessageError
from uncia_contract.messages import Command, Reply, decode, encode
from uncia_contract.topics import Topics
from uncia_edge.link import Outgoing, Received
from uncia_edge.overrides import OverrideFile, Overrides

_log = logging.getLogger(__name__)


class Sends(Protocol):
    """What commands need of delivery."""

    def say(self, message: Outgoing) -> None:
        """Publish one message."""

    def send_first(self, sequence: str) -> bool:
        """Send a sequence before all others; whether it is still here."""


class Commands:
    """Obeys and answers.

    Args:
        overrides: where changes are kept.
        apply: called with the overrides that hold from now on.
        restart: asks the service to end, so that systemd starts it anew.
        trusted: whether the broker is authenticated.
    """

    def __init__(
        self,
        topics: Topics,
        overrides: OverrideFile,
        apply: Callable[[Overrides], None],
        restart: Callable[[], None],
        trusted: bool,
    ) -> None:
        self._topics, self._overrides, self._apply = topics, overrides, apply
        self._restart, self._trusted = restart, trusted

    def handle(self, message: Received, sends: Sends) -> None:
        """Do what a message on the command topic asks, and publish the reply. Raises nothing."""
        try:
            reply = self._obey(decode(message.payload, Command), sends)
        except (MessageError, ConfigurationError) as error:
            reply = self._reply(False, str(error))
        except OSError as error:
            reply = self._reply(False, f"the card cannot be written: {error}")
        _log.info("command answered: %s %s", reply.ok, reply.detail)
        # Replies go to our own topic only, whatever response topic was asked for: an access list guards no other.
        sends.say(Outgoing(self._topics.reply, encode(reply), correlation=message.correlation))

    def _obey(self, command: Command, sends: Sends) -> Reply:
        if command.name in ("set", "restart") and not self._trusted:
            return self._reply(False, f"{command.name}: refused, because the broker is not authenticated (mutual TLS)")
        match command.name:
            case "ping":
                return self._reply(True, "pong")
            case "send_frames":
                return self._send_frames(command, sends)
            case "set":
                self._apply(self._overrides.set(command.key or "", command.value))
                return self._reply(True, f"{command.key} = {command.value}")
            case "restart":
                self._restart()
                return self._reply(True, "restarting")
        return self._reply(False, f"{command.name}: bundles are put on a trap by hand (docs/field-guide.md)")

    def _send_frames(self, command: Command, sends: Sends) -> Reply:
        if command.sequence is None:
            return self._reply(False, "send_frames: expected a sequence")
        found = sends.send_first(command.sequence)
        return self._reply(found, "next in line" if found else f"{command.sequence} is not here any more")

    def _reply(self, ok: bool, detail: str) -> Reply:
        return Reply(ok, detail[:1000], self._overrides.current.revision)

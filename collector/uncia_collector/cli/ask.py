"""`uncia-collect ask`: send a command to a trap and print its reply."""

import argparse
from pathlib import Path

import msgspec

from uncia_collector.settings import read_settings
from uncia_collector.station.trap_commands import CommandClient, offer_bundle
from uncia_contract.errors import UNDECODABLE, BrokerError, DataError
from uncia_contract.messages.records import Command, Reply, SignedKeys
from uncia_contract.messages.topics import Topics

QUESTIONS = {"ping": 0, "send-frames": 1, "set": 2, "restart": 0, "offer-bundle": 1, "replace-keys": 1, "try": 0}
_SIMPLE = {"ping": Command("ping"), "restart": Command("restart"), "try": Command("try")}


def add_ask(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `ask`."""
    command.add_argument("trap", help="the trap's id")
    command.add_argument("question", choices=list(QUESTIONS))
    command.add_argument(
        "words", nargs="*", metavar="WORD", help="SEQUENCE, KEY VALUE, or the FILE of a bundle or of keys"
    )
    command.add_argument("--config", type=Path, required=True, metavar="TOML", help="the collector's configuration")
    command.add_argument(
        "--wait-s", type=float, default=60.0, metavar="S", help="how long to wait for each answer, in seconds (60)"
    )
    command.set_defaults(run=_run_ask)


def _run_ask(arguments: argparse.Namespace) -> int:
    settings, words = read_settings(arguments.config), arguments.words
    if len(words) != QUESTIONS[arguments.question]:
        expected = {0: "no further word", 1: "one word (SEQUENCE or FILE)", 2: "KEY VALUE"}
        raise DataError(f"ask {arguments.question}: expected {expected[QUESTIONS[arguments.question]]}, got {words}")
    topics = Topics(arguments.trap, settings.root)
    with CommandClient(settings.broker, topics, arguments.wait_s) as client:
        reply = _ask(client, arguments.question, words)
    if not reply.ok:
        raise BrokerError(f"{arguments.trap} refused: {reply.detail}")
    print(f"{arguments.trap}: {reply.detail} (configuration revision {reply.configuration_revision})")
    return 0


def _ask(client: CommandClient, question: str, words: list[str]) -> Reply:
    match question:
        case "send-frames":
            return client.request(Command("send_frames", sequence=words[0]))
        case "set":
            value = words[1] if words[1] == "default" else _number(words[1])
            return client.request(Command("set", key=words[0], value=value))
        case "offer-bundle":
            return offer_bundle(client, Path(words[0]))
        case "replace-keys":
            return client.request(Command("replace_keys", keys=_signed_keys(Path(words[0]))))
    return client.request(_SIMPLE[question])


def _signed_keys(path: Path) -> SignedKeys:
    try:
        return msgspec.json.decode(path.read_bytes(), type=SignedKeys)
    except (OSError, *UNDECODABLE) as error:
        raise DataError(f"{path}: {error}; expected a file that `uncia-convert keys` wrote") from error


def _number(text: str) -> float | int:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f"{text!r}: expected a number or the word default") from error

"""`uncia-collect`: reads the command line, runs the collector or lists its catalogue, exits.

Exit codes: 0 done; 2 a mistake in input, configuration or surroundings, told in one line.
"""

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from uncia_collector.catalogue import listing
from uncia_collector.collector import Collector
from uncia_collector.database import Database
from uncia_collector.ingest import check_broker
from uncia_collector.logs import configure_logs
from uncia_collector.settings import read_settings, sqlite_url
from uncia_contract.errors import DataError, UnciaError

EXAMPLES = """examples:
  uncia-collect serve --config collector.toml     subscribe, store, answer; Ctrl-C ends it
  uncia-collect check --config collector.toml     would it run? configuration, catalogue, broker; 2 if not
  uncia-collect list --data uncia-data            what is there, as a table
  uncia-collect list --data uncia-data --json     the same for other programs
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except UnciaError as error:
        print(f"uncia-collect: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="uncia-collect",
        description="The base station: stores what traps send and shows it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in (
        ("serve", _serve, "subscribe, store, send receipts"),
        ("check", _check, "try configuration, catalogue and broker, and say what is wrong"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--config", type=Path, required=True, metavar="TOML", help="the collector's configuration")
        command.set_defaults(run=run)
    _add_list(commands.add_parser("list", help="list the catalogue"))
    return parser


def _add_list(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, metavar="DIR", help="the data folder")
    command.add_argument(
        "--database", default="", metavar="URL", help="the catalogue, when it is not in the data folder"
    )
    command.add_argument("--json", action="store_true", help="one JSON array instead of a table")
    command.set_defaults(run=_list)


def _serve(arguments: argparse.Namespace) -> int:
    collector = Collector(read_settings(arguments.config))
    configure_logs()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    collector.start()
    stop.wait()
    collector.stop()
    return 0


def _check(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments.config)
    database = Database(settings.database_url)
    database.migrate()
    database.close()
    check_broker(settings.broker)
    print(f"catalogue {database.described} and broker {settings.broker.host}:{settings.broker.port}: ready")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    database = _open(arguments)
    found = listing(database)
    if arguments.json:
        print(json.dumps(list(found), indent=1))
    else:
        print(f"{'started':20} {'trap':16} {'sequence':24} {'frames':>6} {'scored':>6} {'confidence':>10}  verdict")
        for row in found:
            print(_line(row))
    database.close()
    return 0


def _open(arguments: argparse.Namespace) -> Database:
    if not (arguments.data or arguments.database):
        raise DataError("list: expected --data DIR or --database URL")
    if not arguments.database and not (arguments.data / "catalogue.sqlite").is_file():
        raise DataError(f"{arguments.data}: holds no catalogue.sqlite; is it a collector's data folder?")
    database = Database(arguments.database or sqlite_url(arguments.data))
    database.migrate()
    return database


def _line(row: dict[str, object]) -> str:
    verdict = "positive" if row["positive"] else "negative"
    complete = "" if row["complete"] else f"  ({len(list(row['files']))} of {row['frames']} frames here)"  # type: ignore[call-overload]
    return (
        f"{str(row['started_at'])[:19]:20} {row['trap']!s:16} {row['id']!s:24} {row['frames']!s:>6} "
        f"{row['frames_scored']!s:>6} {row['confidence']:>10.3f}  {verdict}{complete}"
    )


if __name__ == "__main__":
    sys.exit(main())

"""`uncia-collect`: reads the command line, runs the collector or lists its catalogue, exits.

Exit codes: 0 done; 2 a mistake in input, configuration or surroundings, told in one line.
"""

import argparse
import getpass
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.listing import listing
from uncia_collector.catalogue.people import ROLES, People
from uncia_collector.exports.kinds import KINDS, Request, export
from uncia_collector.imports.package import CamtrapPackage
from uncia_collector.imports.survey import SurveyImport
from uncia_collector.ingest.broker import check_broker
from uncia_collector.ingest.frame_folder import FrameFolder
from uncia_collector.logs import configure_logs, logger
from uncia_collector.runtime import Collector
from uncia_collector.service import serve_until
from uncia_collector.settings import CollectorSettings, read_settings, sqlite_url
from uncia_collector.station.alerts import check_mail
from uncia_collector.station.ask_command import add_ask
from uncia_contract.archive.json_array import write_json_array
from uncia_contract.cli.command_line import program, run_command
from uncia_contract.errors import ConfigurationError, DataError, StorageError
from uncia_contract.files import replacing

EXAMPLES = """examples:
  uncia-collect serve --config collector.toml     subscribe, store, answer; Ctrl-C ends it
  uncia-collect check --config collector.toml     would it run? catalogue, broker, mail server; 2 if not
  uncia-collect user add anara --role reviewer --config collector.toml
  uncia-collect deployments deployments.csv --config collector.toml
  uncia-collect ask ridge-01 ping --config collector.toml    is it there?
  uncia-collect ask ridge-01 send-frames SEQUENCE --config collector.toml    now, past its budget
  uncia-collect ask ridge-01 set threshold 0.8 --config collector.toml    or budget_bytes
  uncia-collect ask ridge-01 offer-bundle better-2.uncia --config collector.toml
  uncia-collect import survey/ --config collector.toml   a Camtrap DP package of others, folder or zip
  uncia-collect export camtrap-dp --out survey.zip --config collector.toml
  uncia-collect list --data uncia-data            what is there, as a table
  uncia-collect list --data uncia-data --json     the same for other programs
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    return run_command(_parser(), argv)


def _parser() -> argparse.ArgumentParser:
    parser, add = program("uncia-collect", "The base station: stores what traps send and shows it.", EXAMPLES)
    for name, run, text in (
        ("serve", _serve, "subscribe, store, send receipts"),
        ("check", _check, "try configuration, catalogue, broker and mail server, and say what is wrong"),
    ):
        command = _command(add, name, text)
        command.add_argument("--config", type=Path, required=True, metavar="TOML", help="the collector's configuration")
        command.set_defaults(run=run)
    _add_list(_command(add, "list", "list the catalogue"))
    _add_export(_command(add, "export", "write the catalogue for other programs"))
    _add_user(_command(add, "user", "who may log in to the page"))
    deployments = _command(add, "deployments", "take in where the traps stand (Camtrap DP deployments.csv)")
    deployments.add_argument("file", type=Path, metavar="CSV_OR_DIR")
    _add_catalogue(deployments)
    deployments.set_defaults(run=_deployments)
    add_ask(_command(add, "ask", "ask a trap something: ping, send-frames, set, restart, offer-bundle"))
    _add_import(_command(add, "import", "take in a survey of others (Camtrap DP package)"))
    return parser


def _command(add: Callable[..., argparse.ArgumentParser], name: str, text: str) -> argparse.ArgumentParser:
    """A command whose help shows its own examples."""
    shown = "".join(line + "\n" for line in EXAMPLES.splitlines() if f"uncia-collect {name}" in line)
    return add(name, text, f"examples:\n{shown}")


def _add_export(command: argparse.ArgumentParser) -> None:
    command.add_argument("kind", choices=list(KINDS))
    command.add_argument("--out", type=Path, required=True, metavar="FILE")
    command.add_argument("--exact", action="store_true", help="exact coordinates, where 0.1 degree is the rule")
    command.add_argument("--pictures", action="store_true", help="put the pictures inside the file (camtrap-dp)")
    _add_catalogue(command)
    command.set_defaults(run=_export)


def _add_import(command: argparse.ArgumentParser) -> None:
    command.add_argument("package", type=Path, metavar="PACKAGE", help="its folder, datapackage.json or zip")
    _add_catalogue(command)
    command.set_defaults(run=_import)


def _add_user(command: argparse.ArgumentParser) -> None:
    command.add_argument("action", choices=["add", "remove", "list"])
    command.add_argument("name", nargs="?", default="")
    command.add_argument("--role", choices=ROLES, default="reviewer")
    command.add_argument("--password-file", type=Path, help="its first line; else it is asked for, or read from a pipe")
    _add_catalogue(command)
    command.set_defaults(run=_user)


def _add_catalogue(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, metavar="TOML", help="the collector's configuration, or ...")
    command.add_argument("--data", type=Path, metavar="DIR", help="... the data folder, or ...")
    command.add_argument("--database", default="", metavar="URL", help="... the catalogue, where it is not in DIR")


def _add_list(command: argparse.ArgumentParser) -> None:
    _add_catalogue(command)
    command.add_argument("--json", action="store_true", help="one JSON array instead of a table")
    command.set_defaults(run=_list)


def _serve(arguments: argparse.Namespace) -> int:
    collector = Collector(read_settings(arguments.config))
    configure_logs()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    collector.start()
    if collector.page is not None:
        logger("station").info("the page is at", address=collector.page.address)
    serve_until(stop, collector.ingest.alive)
    collector.stop()
    return 0


def _check(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments.config)
    database = Database(settings.database_url)
    database.migrate()
    database.close()
    check_broker(settings.broker, settings.root)
    check_mail(settings.alerts)
    print(f"catalogue {database.described} and broker {settings.broker.host}:{settings.broker.port}: ready")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    database = _open(arguments)
    found = listing(database)
    if arguments.json:
        write_json_array(sys.stdout, found)
        print()
    else:
        print(f"{'started':20} {'trap':16} {'sequence':24} {'frames':>6} {'scored':>6} {'confidence':>10}  verdict")
        for row in found:
            print(_line(row))
    database.close()
    return 0


def _export(arguments: argparse.Namespace) -> int:
    database = _open(arguments)
    settings = read_settings(arguments.config) if arguments.config else CollectorSettings()
    root = settings.folder if arguments.config else (arguments.data or arguments.out.parent)
    out: Path = arguments.out
    if arguments.pictures and arguments.kind != "camtrap-dp":
        raise DataError(f"export {arguments.kind} --pictures: only camtrap-dp can hold pictures; leave it out")
    try:
        with database.reading() as connection, replacing(out) as stream:
            request = Request(
                connection, settings.station, root, datetime.now(UTC), arguments.exact, out.absolute().parent,
                arguments.pictures,
            )  # fmt: skip
            export(arguments.kind, request, stream)
    except OSError as error:
        raise StorageError(f"{out}: {error.strerror}") from error
    database.close()
    print(f"{out}: {out.stat().st_size} bytes")
    return 0


def _user(arguments: argparse.Namespace) -> int:
    database = _open(arguments, create=True)
    people = People(database)
    if arguments.action == "list":
        print("\n".join(f"{name}\t{role}" for name, role in people.listed()))
    elif arguments.action == "remove":
        if not people.remove_user(arguments.name):
            raise DataError(f"user {arguments.name!r}: there is none of that name")
    else:
        people.set_user(arguments.name, _password(arguments.password_file), arguments.role, datetime.now(UTC))
        print(f"{arguments.name}: {arguments.role}")
    database.close()
    return 0


def _password(file: Path | None) -> str:
    if file is None:
        return getpass.getpass("password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    try:
        return file.read_text(encoding="utf-8").split("\n", maxsplit=1)[0]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read: {error}") from error


def _deployments(arguments: argparse.Namespace) -> int:
    database = _open(arguments, create=True)
    print(f"{read_deployments(arguments.file, database)} deployments")
    database.close()
    return 0


def _import(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments.config) if arguments.config else None
    root = settings.folder if settings else arguments.data
    if root is None:
        raise DataError("where do pictures go? expected --config TOML or --data DIR")
    folder = FrameFolder(root, settings.min_free_bytes if settings else 0)
    with CamtrapPackage(arguments.package) as package:
        database = _open(arguments, create=True)
        counted = SurveyImport(package, database, folder, datetime.now(UTC)).run()
        print(f"{package.title}: {counted.told}")
    database.close()
    return 0


def _open(arguments: argparse.Namespace, create: bool = False) -> Database:
    if arguments.config:
        database = Database(read_settings(arguments.config).database_url)
        database.migrate()
        return database
    if not (arguments.data or arguments.database):
        raise DataError("which catalogue? expected --config TOML, --data DIR or --database URL")
    if not create and not arguments.database and not (arguments.data / "catalogue.sqlite").is_file():
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

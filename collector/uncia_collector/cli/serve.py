"""`uncia-collect serve` and `check`: run a collector, or test whether it would run."""

import argparse
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from uncia_collector.catalogue.database import Database
from uncia_collector.ingest.broker import check_broker, publish_once
from uncia_collector.logs import configure_logs, logger
from uncia_collector.runtime import Collector
from uncia_collector.settings import read_settings
from uncia_collector.station.alert_channels import channels, check_channels, send_test
from uncia_collector.systemd_notify import serve_until
from uncia_contract.files import private_files


def add_serve(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `serve`."""
    _add(command, _serve)


def add_check(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `check`."""
    _add(command, _check)
    command.add_argument("--send-test", action="store_true", help="send a test message on each alert channel as well")


def _add(command: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    command.add_argument("--config", type=Path, required=True, metavar="TOML", help="the collector's configuration")
    command.set_defaults(run=run)


def _serve(arguments: argparse.Namespace) -> int:
    collector = Collector(read_settings(arguments.config))
    configure_logs()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with private_files():
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
    for warning in settings.unknown_labels():
        print(f"warning: {warning}", file=sys.stderr)
    check_broker(settings.broker, settings.root)
    check_channels(settings.alerts)
    for channel in channels(settings.alerts, partial(publish_once, settings.broker)):
        # The test of Home Assistant rings nobody's device (it tests the access list), so it always runs.
        if arguments.send_test or channel.name == "home_assistant":
            send_test(channel, settings.station)
    told = f", alerts by {' and '.join(settings.alerts.channels)}" if settings.alerts.channels else ""
    print(f"catalogue {database.described} and broker {settings.broker.host}:{settings.broker.port}{told}: ready")
    return 0

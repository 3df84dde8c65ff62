"""The collector's configuration: the keys of `collector.toml`, their defaults and their bounds.

A relative path is relative to the folder of the configuration file.
"""

from pathlib import Path
from typing import Annotated, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct

from uncia_collector.catalogue.events.grouping import INDEPENDENCE_MINUTES
from uncia_collector.observations.checklist import LABEL, Checklist, read_checklist, shipped_checklist
from uncia_contract.cli.configuration import read_toml
from uncia_contract.errors import ConfigurationError
from uncia_contract.messages.topics import ROOT

Hours = Annotated[str, Meta(pattern=r"^(([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d)?$", description="22:00-06:00")]
Port = Annotated[int, Meta(ge=0, le=65535)]
Part = TypeVar("Part", bound=Struct)
_LABEL = "up to 80 letters, digits, blanks and . ' ( ) / -, a letter or digit first"
_GROUP, _ADDRESS = "up to 64 letters, digits, _ and -", "an address that begins with http:// or https://"
_WHOSE = ("", "check_", "ask_")  # pairs of certificate and key in [broker]
_PAIRS = tuple(whose + file for whose in _WHOSE for file in ("certificate", "key"))


class BrokerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The broker's address and the collector's identity there.

    `ca`, `certificate` and `key` are PEM files; with `ca` the connection uses TLS, with all three mutual TLS.
    `uncia-collect check` and `ask` need certificates of their own (`check_...`, `ask_...`): the broker ends a session
    when a second client connects with the same certificate. `group` names a shared subscription: collectors with the
    same group and the same database share the work.
    """

    host: str = "127.0.0.1"
    port: Port = 1883
    client_id: str = "uncia-collector"
    group: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{0,64}$", description=_GROUP)] = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""
    check_certificate: str = ""
    check_key: str = ""
    ask_certificate: str = ""
    ask_key: str = ""
    username: str = ""
    password_file: str = ""
    keepalive_s: Annotated[int, Meta(ge=5, le=3600)] = 60


class HttpSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The address of the web page; port 0 takes a free port. With `certificate` and `key` (PEM files) it uses HTTPS.

    `hosts` are the accepted host names that contain a dot. IP addresses and names of the local network are always
    accepted.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    certificate: str = ""
    key: str = ""
    hosts: tuple[str, ...] = ()


class AlertRule(Struct, frozen=True, forbid_unknown_fields=True):
    """One rule: which sightings are sent on which channels. An empty key does not limit. Hours are station time.

    Attributes:
        labels: the labels to send.
        traps: trap ids; the id of a hub means all its cameras, `trap/camera` one of them.
        hours: when the sighting began, such as 22:00-06:00.
        min_score: the least confidence, from 0 to 1.
        confirmed: "yes" for sightings that a person confirmed, "no" for those that nobody has answered yet.
        quiet: hours in which nothing is sent.
        channels: the channels of this rule.
    """

    labels: tuple[str, ...] = ()
    traps: tuple[str, ...] = ()
    hours: Hours = ""
    min_score: Annotated[float, Meta(ge=0, le=1)] = 0.0
    confirmed: Literal["any", "yes", "no"] = "any"
    quiet: Hours = ""
    channels: tuple[Literal["webhook", "mail", "home_assistant", "command"], ...] = ()


class AlertSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The channels of alerts and their limits; a channel whose keys are empty is off.

    With `smtp_starttls` the mail server needs a certificate for `smtp_host`, signed by an authority that this machine
    trusts or by `smtp_ca` (a PEM file).
    """

    webhook: Annotated[str, Meta(pattern="^(https?://.*)?$", description=_ADDRESS)] = ""
    smtp_host: str = ""
    smtp_port: Port = 25
    smtp_starttls: bool = False
    smtp_ca: str = ""
    smtp_user: str = ""
    smtp_password_file: str = ""
    mail_from: str = "uncia@localhost"
    mail_to: tuple[str, ...] = ()
    per_hour: Annotated[int, Meta(ge=0, le=1000)] = 6
    digest_hour: Annotated[int, Meta(ge=0, le=23)] = 7
    home_assistant: bool = False
    command: tuple[str, ...] = ()
    rules: tuple[AlertRule, ...] = ()

    @property
    def channels(self) -> list[str]:
        """The names of the channels that are configured."""
        asked = {
            "webhook": self.webhook, "mail": self.smtp_host and self.mail_to,
            "home_assistant": self.home_assistant, "command": self.command,
        }  # fmt: skip
        return [name for name, wanted in asked.items() if wanted]


class BudgetSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Limits for each trap: how much it may send, and how much may wait in the catalogue; 0 is no limit.

    A budget grows evenly and holds at most the amount of one minute or one day. `waiting_mb` limits the chunks of
    incomplete frames; the oldest are deleted first.
    """

    mb_per_minute: Annotated[float, Meta(ge=0)] = 300
    messages_per_minute: Annotated[float, Meta(ge=0)] = 12_000
    mb_per_day: Annotated[float, Meta(ge=0)] = 10_000
    waiting_mb: Annotated[float, Meta(ge=0)] = 128


class CollectorSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """All settings of a collector.

    Attributes:
        database: an SQLAlchemy URL; empty means SQLite in the data folder.
        bundles: a folder with copies of the traps' bundles, for activation maps; it may be missing.
        labels: the page's buttons (keys 1 to 9) for a sequence that shows another animal.
        species: the station's own species.csv; its rows are added to the shipped checklist.
        event_minutes: the independence interval: sequences of one trap that show the same, less than this apart, are
            one event.
        people_days: for how many days pictures of people are kept; 0 keeps them for ever.
    """

    data: str = "uncia-data"
    bundles: str = "bundles"
    database: str = ""
    root: str = ROOT
    station: Annotated[str, Meta(max_length=80)] = "Base station"
    time_zone: str = "UTC"
    labels: Annotated[tuple[Annotated[str, Meta(pattern=LABEL, description=_LABEL)], ...], Meta(max_length=9)] = (
        *("wolf", "fox", "ibex", "marmot", "livestock", "dog", "person", "bird", "empty"),
    )
    species: str = ""
    event_minutes: Annotated[int, Meta(ge=0, le=1440)] = INDEPENDENCE_MINUTES
    people_days: Annotated[int, Meta(ge=0)] = 0
    min_free_bytes: Annotated[int, Meta(ge=0)] = 64 * 1024 * 1024
    broker: BrokerSettings = BrokerSettings()
    http: HttpSettings | None = HttpSettings()
    alerts: AlertSettings = AlertSettings()
    budgets: BudgetSettings = BudgetSettings()

    @property
    def folder(self) -> Path:
        """The data folder."""
        return Path(self.data)

    @property
    def zone(self) -> ZoneInfo:
        """The station's time zone, in which nights begin and end."""
        return ZoneInfo(self.time_zone)

    def checklist(self) -> Checklist:
        """The taxa that people may name here.

        Raises:
            DataError: the file `species` cannot be read or is not a valid checklist.
        """
        return read_checklist(Path(self.species)) if self.species else shipped_checklist()

    def unknown_labels(self) -> list[str]:
        """A warning for each of `labels` that is not in the checklist.

        Raises:
            DataError: the file `species` cannot be read or is not a valid checklist.
        """
        remedy = "exports will have no scientific name for it; use a name of the checklist, or add it to your `species`"
        return [f"labels: {name!r} is not in the checklist; {remedy}" for name in self.checklist().unknown(self.labels)]

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL: `database`, or SQLite in the data folder when that is empty."""
        return self.database or sqlite_url(self.folder)


def sqlite_url(folder: Path) -> str:
    """The URL of the SQLite catalogue inside a data folder."""
    return f"sqlite:///{(folder / 'catalogue.sqlite').absolute()}"


def read_settings(path: Path) -> CollectorSettings:
    """Read the settings from a TOML file; relative paths become absolute, seen from the file's folder.

    Raises:
        ConfigurationError: the file is unreadable or not TOML, a key is unknown, a value is out of range, or a
            certificate has no key.
    """
    settings = read_toml(path, CollectorSettings)
    if unknown := {name for rule in settings.alerts.rules for name in rule.channels} - {*settings.alerts.channels}:
        raise ConfigurationError(f"{path}: [[alerts.rules]] channel {min(unknown)} is not configured in [alerts]")
    http = settings.http or HttpSettings()
    for table, part, whose in (*(("broker", settings.broker, whose) for whose in _WHOSE), ("http", http, "")):
        if bool(getattr(part, f"{whose}certificate")) != bool(getattr(part, f"{whose}key")):
            keys = f"{whose}certificate and {whose}key"
            raise ConfigurationError(f"{path}: [{table}] {keys} belong together, got only one of them")
    try:
        _ = settings.zone
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigurationError(f"{path}: time_zone {settings.time_zone!r}: expected one such as UTC") from error
    return _anchored(settings, path.absolute().parent)


def _anchored(settings: CollectorSettings, folder: Path) -> CollectorSettings:
    """The settings with every relative path made absolute, seen from `folder`."""
    return msgspec.structs.replace(
        settings,
        data=str(folder / settings.data),
        bundles=str(folder / settings.bundles),
        species=str(folder / settings.species) if settings.species else "",
        broker=_absolute(settings.broker, folder, "ca", "password_file", *_PAIRS),
        http=None if settings.http is None else _absolute(settings.http, folder, "certificate", "key"),
        alerts=_absolute(settings.alerts, folder, "smtp_ca", "smtp_password_file"),
    )


def _absolute(part: Part, folder: Path, *keys: str) -> Part:
    found = {key: str(folder / value) for key in keys if (value := getattr(part, key))}
    return msgspec.structs.replace(part, **found)

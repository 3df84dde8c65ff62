"""Who a certificate is for: its common name, its file, and what the broker lets it do.

Decides names. The common name is the client's id and user name at the broker (`use_identity_as_username`,
`use_username_as_clientid`). A trap's has small letters only, a program's of the station begins with a capital one: so
none can be taken for the other.
"""

import re
from dataclasses import dataclass
from importlib.resources import files
from ipaddress import ip_address

from cryptography import x509

from uncia_contract.errors import DataError, MessageError
from uncia_contract.messages.topics import check_trap_id

BROKER, COLLECTOR, CHECK, ASK = "Broker", "Collector", "Check", "Ask"
ACCESS_LIST = "uncia.acl"
_RESERVED = ("ca", "crl", "broker", "collector", "check", "ask")  # files of the folder that a trap's could replace
_MEMBER = re.compile(r"[a-z0-9_-]{1,20}")
_HOST = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)


@dataclass(frozen=True)
class Identity:
    """One that may connect, or (`names`) the broker that is connected to."""

    name: str
    names: tuple[x509.GeneralName, ...] = ()

    @property
    def file(self) -> str:
        """Of its certificate (.pem) and key (.key), without the ending."""
        return self.name.lower()


def trap(name: str) -> Identity:
    """A trap.

    Raises:
        DataError: no trap's id, or a name that the station's own files have.
    """
    try:
        check_trap_id(name)
    except MessageError as error:
        raise DataError(str(error)) from error
    if name in _RESERVED or name.startswith("collector-"):
        raise DataError(f"trap {name!r}: a name of the station's own files; choose another")
    return Identity(name)


def member(name: str) -> Identity:
    """A further collector of a group.

    Raises:
        DataError: no such name.
    """
    if not _MEMBER.fullmatch(name):
        raise DataError(f"member {name!r}: expected 1 to 20 of a-z, 0-9, _ and -")
    return Identity(f"{COLLECTOR}-{name}")


def broker(names: list[str]) -> Identity:
    """The broker, by the names and addresses (IPv4, IPv6) that traps call it by.

    Raises:
        DataError: no name, or one that is neither a host's nor an address.
    """
    if not names:
        raise DataError("the broker: which names and addresses do traps call it by? Such as base.local 192.168.7.1")
    return Identity(BROKER, tuple(map(_general_name, names)))


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        if _HOST.fullmatch(name) and not name.replace(".", "").isdigit():
            return x509.DNSName(name)
    raise DataError(f"{name!r}: neither a host name nor an IPv4 or IPv6 address")


def access_list(names: list[str]) -> str:
    """The broker's access list for these common names: that of the package, a collector's part for each member."""
    shipped = files("uncia_collector.certificates").joinpath(ACCESS_LIST).read_text()
    own = shipped.split(f"user {COLLECTOR}\n")[1].split("\n\n")[0]
    members = sorted({name for name in names if name.startswith(f"{COLLECTOR}-")})
    return shipped + "".join(f"\nuser {name}\n{own}\n" for name in members)

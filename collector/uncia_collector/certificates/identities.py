"""The identities that get certificates: common name, file name, and rights at the broker (access list).

The common name is the client's id and user name at the broker (`use_identity_as_username`,
`use_username_as_clientid`). The name of a trap has only small letters; the name of a program of the station begins with
a capital letter. So a trap cannot have the name of a program.
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
_RESERVED = ("ca", "crl", "broker", "collector", "check", "ask")  # names of the station's own files
_MEMBER = re.compile(r"[a-z0-9_-]{1,20}")
_HOST = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)


@dataclass(frozen=True)
class Identity:
    """A client that may connect to the broker; with `names` (host names, addresses) the broker itself."""

    name: str
    names: tuple[x509.GeneralName, ...] = ()

    @property
    def file(self) -> str:
        """The file name of its certificate (.pem) and key (.key), without the ending."""
        return self.name.lower()


def trap(name: str) -> Identity:
    """The identity of a trap.

    Raises:
        DataError: `name` is not a valid trap id, or is reserved for a file of the station.
    """
    try:
        check_trap_id(name)
    except MessageError as error:
        raise DataError(str(error)) from error
    if name in _RESERVED or name.startswith("collector-"):
        raise DataError(f"trap {name!r}: this name is reserved for files of the station; choose another")
    return Identity(name)


def member(name: str) -> Identity:
    """The identity of a further collector of a group.

    Raises:
        DataError: `name` does not match `[a-z0-9_-]{1,20}`.
    """
    if not _MEMBER.fullmatch(name):
        raise DataError(f"member {name!r}: expected 1 to 20 of a-z, 0-9, _ and -")
    return Identity(f"{COLLECTOR}-{name}")


def broker(names: list[str]) -> Identity:
    """The identity of the broker, with the host names and addresses (IPv4, IPv6) at which traps reach it.

    Raises:
        DataError: `names` is empty, or holds something that is neither a host name nor an address.
    """
    if not names:
        raise DataError(
            "the broker: expected host names and addresses that traps connect to, such as base.local 192.168.7.1"
        )
    return Identity(BROKER, tuple(map(_general_name, names)))


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        if _HOST.fullmatch(name) and not name.replace(".", "").isdigit():
            return x509.DNSName(name)
    raise DataError(f"{name!r}: neither a host name nor an IPv4 or IPv6 address")


def access_list(names: list[str]) -> str:
    """The text of the broker's access list: the shipped one, and a copy of the collector's part for each member."""
    shipped = files("uncia_collector.certificates").joinpath(ACCESS_LIST).read_text()
    own = shipped.split(f"user {COLLECTOR}\n")[1].split("\n\n")[0]
    members = sorted({name for name in names if name.startswith(f"{COLLECTOR}-")})
    return shipped + "".join(f"\nuser {name}\n{own}\n" for name in members)

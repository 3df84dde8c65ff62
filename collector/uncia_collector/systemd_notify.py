"""Notifies systemd: ready, stopping, and (for its watchdog) that messages are being stored.

The protocol is one datagram for each state (sd_notify(3)). The trap has its own copy of this module: edge and collector
share only the contract, and the contract opens no sockets.
"""

import os
import socket
from collections.abc import Callable, Mapping
from threading import Event

FEED_S = 10.0


def notify(message: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Send a state such as `READY=1` to systemd; False if the service was not started by systemd or sending failed."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as wire:
            wire.sendto(message.encode(), "\0" + address[1:] if address.startswith("@") else address)
    except OSError:
        return False
    return True


def serve_until(stop: Event, alive: Callable[[], bool], feed_s: float = FEED_S) -> None:
    """Notify systemd that the service is ready; until `stop` is set, feed the watchdog while `alive()` is true."""
    notify("READY=1")
    while not stop.wait(feed_s):
        if alive():
            notify("WATCHDOG=1")
    notify("STOPPING=1")

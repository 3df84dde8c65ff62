"""A TCP proxy that acts as a bad link: slow, cut at a given byte, or silent while both ends stay open."""

import contextlib
import socket
import threading
import time

_BLOCK = 2048


class Proxy:
    """Forwards connections from `port` on loopback to `target_port`.

    Attributes:
        bytes_per_s: rate from trap to broker; None for no limit. May be changed while it runs.
        cut_after: cut a connection when so many bytes of it have gone from trap to broker; None for never.
        silent: while True nothing is forwarded either way and nothing is closed (half-open).
        refuse: while True new connections are closed at once.
    """

    def __init__(self, target_port: int, bytes_per_s: float | None = None) -> None:
        self.bytes_per_s = bytes_per_s
        self.cut_after: int | None = None
        self.silent, self.refuse = False, False
        self.forwarded_bytes = 0
        self.connections = 0
        self._target_port = target_port
        self._open: list[socket.socket] = []
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End all connections now."""
        for end in self._open:
            _close(end)
        self._open.clear()

    def close(self) -> None:
        """Stop listening and end all connections."""
        _close(self._listener)
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                trap, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.refuse:
                _close(trap)
                continue
            try:
                broker = socket.create_connection(("127.0.0.1", self._target_port), 5)
            except OSError:
                _close(trap)
                continue
            broker.settimeout(None)
            self._open += [trap, broker]
            threading.Thread(target=self._up, args=(trap, broker), daemon=True).start()
            threading.Thread(target=self._down, args=(broker, trap), daemon=True).start()

    def _up(self, trap: socket.socket, broker: socket.socket) -> None:
        sent = 0
        due_s = time.monotonic()
        with contextlib.suppress(OSError):
            while block := trap.recv(_BLOCK):
                self._wait_while_silent()
                if self.cut_after is not None and sent + len(block) >= self.cut_after:
                    broker.sendall(block[: self.cut_after - sent])
                    break
                due_s = max(due_s, time.monotonic() - 0.05)
                if self.bytes_per_s:
                    due_s += len(block) / self.bytes_per_s
                    time.sleep(max(0.0, due_s - time.monotonic()))
                broker.sendall(block)
                sent += len(block)
                self.forwarded_bytes += len(block)
        _close(trap)
        _close(broker)

    def _down(self, broker: socket.socket, trap: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := broker.recv(_BLOCK):
                self._wait_while_silent()
                trap.sendall(block)
        _close(trap)
        _close(broker)

    def _wait_while_silent(self) -> None:
        while self.silent:
            time.sleep(0.01)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()

"""Limits the connections of the page's server, and the time for a request.

Decides that connections beyond a number (in all, and of one address) are closed as soon as they are accepted, before
TLS and without a log line; and that a connection whose request (headers and body) is not complete in time is closed.
So the page never uses up the file descriptors that the ingest needs.
"""

import asyncio
import socket
from collections import Counter
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST = 192
MOST_OF_ADDRESS = 64
REQUEST_S = 20.0  # seconds for the headers and the body of a request


class BoundedListener(socket.socket):
    """A listening socket that closes new connections at once while there are too many."""

    most, most_of_address = MOST, MOST_OF_ADDRESS

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection.

        Raises:
            BlockingIOError: there is none, or it was one too many and is closed.
        """
        connection, address = super().accept()
        self._open = [(one, of) for one, of in getattr(self, "_open", []) if one.fileno() >= 0]
        held = Counter(of for _, of in self._open)
        if len(self._open) >= self.most or held[address[0]] >= self.most_of_address:
            connection.close()
            raise BlockingIOError("too many connections")
        self._open.append((connection, address[0]))
        return connection, address


class PatientProtocol(H11Protocol):
    """uvicorn's HTTP protocol with a time limit for each request (`request_s`)."""

    request_s = REQUEST_S
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time limit of the first request."""
        super().connection_made(transport)
        self._await_request()

    def data_received(self, data: bytes) -> None:
        """Receive part of a request; stop the time limit when the request is complete."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE and self.conn.their_state is not h11.SEND_BODY:
            self._end_waiting()

    def on_response_complete(self) -> None:
        """Start the time limit of the next request."""
        super().on_response_complete()
        self._end_waiting()
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time limit."""
        self._end_waiting()
        super().connection_lost(exc)

    def _await_request(self) -> None:
        self._late = self.loop.call_later(self.request_s, self.transport.abort)

    def _end_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()

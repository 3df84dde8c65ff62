"""Serves the page in its own thread."""

import socket
import threading
import time

import uvicorn
from starlette.applications import Starlette

from uncia_collector.settings import HttpSettings
from uncia_collector.web.limits.connections import MOST, BoundedListener, PatientProtocol
from uncia_contract.errors import ConfigurationError


class PageServer:
    """Runs uvicorn with one application in a thread."""

    def __init__(self, app: Starlette, settings: HttpSettings) -> None:
        """Read the certificate and open the port.

        Raises:
            ConfigurationError: the address is not this machine's or is in use; a certificate or key cannot be read.
        """
        self.settings = settings
        config = uvicorn.Config(
            app, log_config=None, log_level="error", access_log=False, lifespan="off", server_header=False,
            http=PatientProtocol, ws="none", limit_concurrency=MOST + 1, timeout_keep_alive=5,
            proxy_headers=False,  # otherwise a program on this machine could choose the address that is limited (#4)
            ssl_certfile=settings.certificate or None, ssl_keyfile=settings.key or None,
        )  # fmt: skip
        try:
            config.load()  # reads the certificate
        except OSError as error:
            names = f"{settings.certificate}, {settings.key}"
            raise ConfigurationError(f"[http] certificate {names}: {error.strerror or error}") from error
        try:
            self._socket: socket.socket = socket.create_server((settings.host, settings.port), backlog=256)
        except OSError as error:
            raise ConfigurationError(f"[http] {settings.host}:{settings.port}: {error.strerror or error}") from error
        self._socket = BoundedListener(fileno=self._socket.detach())
        # asyncio sets this only on sockets whose protocol is TCP; that of `create_server` is 0. Without it, each page
        # waits 40 ms for the browser's delayed acknowledgement.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="uncia-page", daemon=True)

    @property
    def address(self) -> str:
        """The address to type into a browser."""
        scheme = "https" if self.settings.certificate else "http"
        host, port = self._socket.getsockname()[:2]
        return f"{scheme}://{host}:{port}/"

    def start(self) -> None:
        """Start to serve; returns when the server accepts requests."""
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop serving and close the port; waits up to 5 s."""
        self._server.should_exit = True
        self._thread.join(5)
        self._socket.close()

"""Shuts a client out of the running broker: its certificates are refused and its open session ends.

The steps (docs/decisions/0015-broker-trust.md); no other client is disconnected:
1. Install the new revocation list and make the broker reload it.
2. Connect with a test certificate (the canary) that only the new list revokes, until the broker refuses it. This proves
   that the broker uses the new list.
3. Connect once with the client's own name. The broker then ends the open session of that name and deletes what it kept
   for it.
"""

import os
import queue
import shlex
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from uncia_collector.certificates import authority
from uncia_collector.certificates.authority import Pair
from uncia_collector.certificates.folder import CertificateFolder
from uncia_contract.errors import BrokerError, DataError
from uncia_contract.files import write_durable
from uncia_contract.messages.tls import Tls

LOADED_WITHIN_S = 30.0
ANSWER_S = 5.0
OURS = timedelta(hours=1)  # validity of the certificates that this module makes for itself


@dataclass(frozen=True)
class RunningBroker:
    """The broker on this machine.

    Attributes:
        host: its host name; empty means the first name in the broker's certificate.
        port: its port.
        revoked: the broker's revocation list (`crlfile`).
        reload: the command that makes the broker read the list again.
    """

    host: str
    port: int
    revoked: Path
    reload: str


def shut_out(folder: CertificateFolder, names: list[str], broker: RunningBroker) -> None:
    """Shut these names out; return when no client with a revoked certificate of theirs is connected or can connect.

    Raises:
        BrokerError: the broker does not answer or does not read the list; the message says what to do.
        DataError: a file of the folder or of the broker cannot be read or written.
    """
    canary = authority.issue(folder.pair("ca"), "Canary", folder.now + OURS)
    content = folder.write_lists([canary.certificate.serial_number])
    _install(broker.revoked, content)
    _reload(broker.reload)
    _await_refusal(folder, canary, broker)
    for name in names:
        end_session(folder, name, broker)


def end_session(folder: CertificateFolder, name: str, broker: RunningBroker) -> None:
    """End the open session of a name, and delete what the broker keeps for it.

    Raises:
        BrokerError: the broker does not answer or refuses the connection.
    """
    ours = authority.issue(folder.pair("ca"), name, folder.now + OURS)
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, name, protocol=mqtt.MQTTv5, reconnect_on_failure=False)

    def told(_client: mqtt.Client, _data: object, _flags: object, reason: ReasonCode, _more: object) -> None:
        answers.put(str(reason) if reason.is_failure else "")

    client.on_connect = told
    with _tls(folder, ours) as tls:
        client.tls_set_context(tls.context())
    host = broker.host or folder.broker_host()
    try:
        client.connect(host, broker.port, clean_start=True)
        client.loop_start()
        refusal = answers.get(timeout=ANSWER_S)
    except (OSError, queue.Empty) as error:
        raise _no_answer(broker, host, error) from error
    finally:
        client.disconnect()
        client.loop_stop()
    if refusal:
        raise BrokerError(
            f"broker {host}:{broker.port}: {refusal}; compare its configuration with systemd/mosquitto.conf"
        )


def _install(path: Path, content: bytes) -> None:
    """Replace the broker's revocation list; owner and mode stay the same."""
    try:
        before = path.stat()
        write_durable(path, content)
        path.chmod(before.st_mode & 0o777)
        os.chown(path, before.st_uid, before.st_gid)
    except OSError as error:
        advice = "is it the broker's crlfile (--crl)? Its configuration is systemd/mosquitto.conf"
        raise DataError(f"{path}: {error.strerror}; {advice}") from error


def _reload(command: str) -> None:
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False, timeout=30)
    if done.returncode:
        said = done.stderr.strip().replace("\n", "; ")[:200]
        raise BrokerError(
            f"{command!r} ended with exit code {done.returncode} ({said}); restart the broker to shut them out"
        )


def _await_refusal(folder: CertificateFolder, canary: Pair, broker: RunningBroker) -> None:
    host, until_s = broker.host or folder.broker_host(), time.monotonic() + LOADED_WITHIN_S
    with _tls(folder, canary) as tls:
        context = tls.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # in TLS 1.2 the refusal comes during the handshake
    while time.monotonic() < until_s:
        try:
            with (
                socket.create_connection((host, broker.port), ANSWER_S) as plain,
                context.wrap_socket(plain, server_hostname=host),
            ):
                pass
        except ssl.SSLError as error:
            if "REVOKED" in str(error.reason).upper():
                return
            raise _no_answer(broker, host, error) from error
        except OSError as error:
            raise _no_answer(broker, host, error) from error
        time.sleep(0.2)
    raise BrokerError(
        f"broker {host}:{broker.port} still accepts revoked certificates; is its crlfile {broker.revoked}? "
        "Restart it to shut them out"
    )


@contextmanager
def _tls(folder: CertificateFolder, pair: Pair) -> Iterator[Tls]:
    """The TLS settings of a pair that exists in memory only; its files exist while the context is open."""
    with tempfile.TemporaryDirectory() as name:
        certificate, key = Path(name, "own.pem"), Path(name, "own.key")
        certificate.write_bytes(pair.certificate_pem)
        key.write_bytes(pair.key_pem)
        yield Tls(folder.path / "ca.pem", certificate, key)


def _no_answer(broker: RunningBroker, host: str, error: Exception) -> BrokerError:
    reason = getattr(error, "strerror", None) or str(error) or f"no answer within {ANSWER_S:g} s"
    return BrokerError(
        f"broker {host}:{broker.port}: {reason}; the certificates are revoked, but the broker may not know it yet. "
        "Make sure that it runs, then repeat the command"
    )

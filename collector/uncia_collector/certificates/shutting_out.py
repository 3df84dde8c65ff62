"""A name shut out at the running broker: its certificates refused, the session that is open ended.

Decides the order. The broker gets the list of revoked certificates and reads it anew; a certificate that only this list
names is tried until it is refused, which proves that the list holds; then we connect once under the name ourselves, for
which the broker ends the open session and forgets what it kept. Nobody else is disconnected
(docs/decisions/0015-broker-trust.md).
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
OURS = timedelta(hours=1)  # how long a certificate of our own for another's name holds; it never leaves this process


@dataclass(frozen=True)
class RunningBroker:
    """The broker on this machine: where it listens, the file it reads revoked certificates from, how it reads it anew.

    An empty `host` is the first name in the broker's certificate.
    """

    host: str
    port: int
    revoked: Path
    reload: str


def shut_out(folder: CertificateFolder, names: list[str], broker: RunningBroker) -> None:
    """Return when nobody is connected under these names with a revoked certificate, nor can be.

    Raises:
        BrokerError: the broker does not answer or does not read the list; what to do is said.
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
    """End the session that is open under a name, and remove what the broker keeps for it.

    Raises:
        BrokerError: the broker does not answer or does not let us in.
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
        raise _silent(broker, host, error) from error
    finally:
        client.disconnect()
        client.loop_stop()
    if refusal:
        raise BrokerError(f"broker {host}:{broker.port}: {refusal}; is its access by certificates as shipped?")


def _install(path: Path, content: bytes) -> None:
    """Replace the broker's file; owner and mode stay as they are."""
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
        raise BrokerError(f"{command!r} left with {done.returncode} ({said}); restart the broker to shut them out")


def _await_refusal(folder: CertificateFolder, canary: Pair, broker: RunningBroker) -> None:
    host, until_s = broker.host or folder.broker_host(), time.monotonic() + LOADED_WITHIN_S
    with _tls(folder, canary) as tls:
        context = tls.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # there a refusal ends the handshake
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
            raise _silent(broker, host, error) from error
        except OSError as error:
            raise _silent(broker, host, error) from error
        time.sleep(0.2)
    raise BrokerError(
        f"broker {host}:{broker.port} still lets revoked certificates in; is its crlfile {broker.revoked}? "
        "Restart it to shut them out"
    )


@contextmanager
def _tls(folder: CertificateFolder, pair: Pair) -> Iterator[Tls]:
    """A certificate of this process's own, in files for as long as it is read."""
    with tempfile.TemporaryDirectory() as name:
        certificate, key = Path(name, "own.pem"), Path(name, "own.key")
        certificate.write_bytes(pair.certificate_pem)
        key.write_bytes(pair.key_pem)
        yield Tls(folder.path / "ca.pem", certificate, key)


def _silent(broker: RunningBroker, host: str, error: Exception) -> BrokerError:
    reason = getattr(error, "strerror", None) or str(error) or f"no answer within {ANSWER_S:g} s"
    return BrokerError(
        f"broker {host}:{broker.port}: {reason}; the certificates are revoked, but whether the broker knows is not. "
        "See that it runs, then say the same again"
    )

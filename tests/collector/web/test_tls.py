"""TLS: mail to a server with a known certificate, and the page over HTTPS."""

import ipaddress
import ssl
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.collector.conftest import NOW
from tests.collector.station.test_alerts import Inbox, alerts_of, smtp_handler

from uncia_collector.catalogue.people import People
from uncia_collector.settings import AlertSettings, CollectorSettings, HttpSettings
from uncia_collector.station.alert_channels import check_channels
from uncia_collector.web.app import make_app
from uncia_collector.web.server import PageServer
from uncia_contract.errors import ConfigurationError

LOGIN = b"name=anara&password=snow+and+rocks"


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    """A self-signed certificate of 127.0.0.1 and its key in one PEM file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "station")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False).add_extension(x509.BasicConstraints(True, None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path = tmp_path_factory.mktemp("tls") / "station.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, form, plain)
    )
    return path


@pytest.fixture
def mail(pem, tmp_path):
    """A mail server that offers STARTTLS, and the settings for it; `heard` is what it received."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    inbox = Inbox(lambda received: smtp_handler(received, context))
    password = tmp_path / "password"
    password.write_text("of the mailbox\n")
    inbox.settings = {
        "smtp_host": "127.0.0.1", "smtp_port": inbox.port, "smtp_starttls": True, "mail_to": ("anara@example.org",),
        "smtp_user": "station", "smtp_password_file": str(password),
    }  # fmt: skip
    yield inbox
    inbox.server.shutdown()
    inbox.server.server_close()


def test_mail_is_encrypted_before_the_password_is_sent(on_sqlite, sent, mail, pem):
    """The server's certificate is of the authority in `smtp_ca`; then it receives password and sighting."""
    on_sqlite.commit(*sent.messages())

    assert alerts_of(on_sqlite, smtp_ca=str(pem), **mail.settings).send_due(NOW) == 1
    assert mail.received[0].startswith("AUTH PLAIN ") and "snow_leopard" in mail.received[1]


def test_a_mail_server_with_an_unknown_certificate_receives_nothing(on_sqlite, sent, mail):
    """Any machine can claim to be the mail server: without a known authority, neither password nor sighting is sent."""
    on_sqlite.commit(*sent.messages())

    assert alerts_of(on_sqlite, **mail.settings).send_due(NOW) == 0 and mail.received == []
    with pytest.raises(ConfigurationError, match=r"mail server 127\.0\.0\.1.*certificate verify failed"):
        check_channels(AlertSettings(**mail.settings))


@pytest.mark.heavy
def test_page_over_https_has_a_secure_cookie(on_sqlite, pem):
    """With certificate and key the page is HTTPS, and the browser sends the login's cookie only over HTTPS."""
    People(on_sqlite.database).set_user("anara", "snow and rocks", "reviewer", NOW)
    app = make_app(CollectorSettings(data=str(on_sqlite.root)), on_sqlite.database)
    server = PageServer(app, HttpSettings(port=0, certificate=str(pem), key=str(pem)))
    server.start()
    address = server.address
    stay = urllib.request.build_opener(
        type("Stay", (urllib.request.HTTPRedirectHandler,), {"redirect_request": lambda *_: None}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(pem))),
    )
    with pytest.raises(urllib.error.HTTPError) as answer:
        stay.open(f"{address}login", LOGIN, timeout=60)
    server.stop()
    assert address.startswith("https://") and answer.value.code == 303
    assert "; Secure" in answer.value.headers["set-cookie"]

"""Both kinds of call over TLS: a certificate that is trusted, and those that are not."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from loans.bitmart.client import Client
from loans.bitmart.errors import NotSent, OutcomeUnknown, Unreachable
from loans.bitmart.money import MoneyAnswer
from tests.bitmart.samples import credentials, envelope
from tests.bitmart.scripted import Connection, ScriptedServer, answering, http_answer
from tests.bitmart.sending import CONFIRMED, SHORT, outcome


def certify(folder: Path, host: str) -> tuple[Path, Path]:
    """Write a self-signed certificate for the host, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1))
    builder = builder.not_valid_after(now + timedelta(days=1))
    address = x509.IPAddress(ipaddress.ip_address(host))
    builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return folder / "certificate.pem", folder / "key.pem"


def over_tls(script, certificate: Path, key: Path):
    """The same script behind a TLS handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def secured(connection: Connection) -> None:
        connection.sock = context.wrap_socket(connection.sock, server_side=True)
        script(connection)

    return secured


@pytest.fixture
def trusted(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that stands where the trusted authorities are kept."""
    certificate, key = certify(tmp_path, "127.0.0.1")
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(certificate))
    return certificate, key


def secure_url(server: ScriptedServer) -> str:
    return f"https://127.0.0.1:{server.port}"


def test_a_borrow_is_confirmed_over_tls(trusted):
    with ScriptedServer(over_tls(answering(CONFIRMED), *trusted)) as server:
        assert isinstance(outcome(secure_url(server)), MoneyAnswer)
        assert server.requests[0].endswith(b'"amount":"20.00000000"}')


def test_a_dripping_answer_over_tls_is_unknown_at_the_deadline(trusted):
    def script(connection: Connection) -> None:
        connection.read_request()
        connection.drip(http_answer(CONFIRMED + b" " * 500))

    with ScriptedServer(over_tls(script, *trusted)) as server:
        result = outcome(secure_url(server), seconds=SHORT)

    assert isinstance(result, OutcomeUnknown)
    assert result.detail == "no answer in time"


def test_a_close_over_tls_after_reading_is_unknown(trusted):
    with ScriptedServer(over_tls(lambda c: c.read_request(), *trusted)) as server:
        assert isinstance(outcome(secure_url(server)), OutcomeUnknown)


def test_several_reads_share_one_tls_connection(trusted):
    def script(connection: Connection) -> None:
        while connection.read_request() is not None and connection.received:
            body = envelope({"records": []})
            connection.write(http_answer(body, headers={"Connection": ""}))
            connection.received = b""

    with (
        ScriptedServer(over_tls(script, *trusted)) as server,
        Client(secure_url(server), credentials(), total_seconds=10) as client,
    ):
        client.borrow_records("BTC_USDT")
        client.borrow_records("BTC_USDT")

        assert len(server.connections) == 1


def test_a_certificate_that_nobody_vouches_for_is_not_sent_to(tmp_path):
    with ScriptedServer(over_tls(answering(CONFIRMED), *certify(tmp_path, "127.0.0.1"))) as server:
        result = outcome(secure_url(server))

        assert isinstance(result, NotSent)
        assert result.detail == "the certificate is not valid"
        assert not server.requests


def test_a_certificate_of_another_host_is_not_sent_to(tmp_path, monkeypatch):
    certificate, key = certify(tmp_path, "127.0.0.2")
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(certificate))
    with ScriptedServer(over_tls(answering(CONFIRMED), certificate, key)) as server:
        assert isinstance(outcome(secure_url(server)), NotSent)
        client = Client(secure_url(server), credentials())
        with client, pytest.raises(Unreachable, match="certificate"):
            client.pairs()

        assert not server.requests

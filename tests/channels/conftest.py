import datetime as dt
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.channels.loopback import LoopbackProvider, full_backlog


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def provider():
    """A provider that answers as it is told. An answer that was prepared and not asked for fails the test."""
    provider = LoopbackProvider()
    await provider.start()
    yield provider
    await provider.stop()
    assert not provider.script


@pytest.fixture
def deaf_url():
    url, sockets = full_backlog()
    yield url
    for one in sockets:
        one.close()


@pytest.fixture(scope="session")
def untrusted_certificate_path(tmp_path_factory):
    """A certificate nobody vouches for, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    certificate = builder.not_valid_before(now).not_valid_after(now + dt.timedelta(hours=1)).sign(key, hashes.SHA256())
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(certificate.public_bytes(pem) + private)
    return path


@pytest.fixture(scope="session")
def untrusted_certificate(untrusted_certificate_path):
    """A TLS context with it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(untrusted_certificate_path)
    return context


@pytest.fixture
async def untrusted_provider(untrusted_certificate):
    provider = LoopbackProvider()
    await provider.start(untrusted_certificate)
    yield provider
    await provider.stop()

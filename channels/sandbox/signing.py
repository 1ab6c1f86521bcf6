"""Signatures on what the sandbox sends, as the vendors make them.

1. Twilio: base64 of HMAC-SHA1 with the auth token over the URL (no fragment) and the sorted form fields.
2. SendGrid: ECDSA on P-256 with SHA-256 over the timestamp and the raw bytes of the body.
3. The private key never leaves the data folder; the public one is shown as base64 DER, as SendGrid's console shows it.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PRIVATE_KEY_FILE = "sendgrid_private_key.pem"
PUBLIC_KEY_FILE = "sendgrid_public_key.txt"


class BadKey(ValueError):
    """The private key given is no P-256 key in PEM."""


def sign_twilio(auth_token: str, url: str, form: Mapping[str, str]) -> str:
    """The value of X-Twilio-Signature. `form` is empty for a GET, whose parameters are in the URL."""
    signed = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


class EventSigner:
    """Holds SendGrid's side of the key pair."""

    def __init__(self, pem: bytes) -> None:
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as error:
            raise BadKey("sendgrid_private_key: expected an unencrypted P-256 private key in PEM") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise BadKey("sendgrid_private_key: expected a key on the curve P-256")
        self._key = key

    @property
    def public_key(self) -> str:
        """The verification key: base64 of DER (SubjectPublicKeyInfo)."""
        der = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(der).decode()

    def sign(self, timestamp: str, body: bytes) -> str:
        """The value of X-Twilio-Email-Event-Webhook-Signature."""
        return base64.b64encode(self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()


def load_event_signer(data_dir: Path, given_pem: str) -> EventSigner:
    """The signer with the key given, else the one kept in the folder, else a new one. Writes the public key file."""
    kept = data_dir / PRIVATE_KEY_FILE
    if given_pem:
        signer = EventSigner(given_pem.encode())
    else:
        if not kept.exists():
            _write_private(kept, _new_pem())
        signer = EventSigner(kept.read_bytes())
    (data_dir / PUBLIC_KEY_FILE).write_text(signer.public_key + "\n", encoding="ascii")
    return signer


def _new_pem() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_private(path: Path, content: bytes) -> None:
    """Written aside and renamed, so that a kill never leaves half a key; readable by its owner only."""
    aside = path.with_suffix(".new")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    aside.replace(path)

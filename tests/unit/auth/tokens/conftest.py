"""Keys to sign with, made once a run."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from flask_backend_patterns.auth.settings import AuthSettings
from flask_backend_patterns.auth.tokens import KeySet

NOW = 1_800_000_000.0


def private_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def public_pem(key):
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


@pytest.fixture(scope="session")
def pems():
    """Kind of key -> (private PEM, public PEM)."""
    keys = {
        "rsa": rsa.generate_private_key(65537, 2048),
        "other_rsa": rsa.generate_private_key(65537, 2048),
        "small_rsa": rsa.generate_private_key(65537, 1024),
        "p256": ec.generate_private_key(ec.SECP256R1()),
        "k256": ec.generate_private_key(ec.SECP256K1()),
        "p384": ec.generate_private_key(ec.SECP384R1()),
        "p521": ec.generate_private_key(ec.SECP521R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
        "ed448": ed448.Ed448PrivateKey.generate(),
    }
    return {name: (private_pem(key), public_pem(key)) for name, key in keys.items()}


@pytest.fixture
def read_keys():
    """`KeySet.from_config`; BACKEND_AUTH_KEYS and BACKEND_AUTH_SIGNING_KEY by their short names."""

    def read(config=None, *, keys=None, signing_key=None, is_lenient=False):
        settings = AuthSettings(keys=keys, signing_key=signing_key)
        return KeySet.from_config({} if config is None else config, settings, is_lenient=is_lenient)

    return read


@pytest.fixture
def claims():
    """Those of an access token as a login gives it; issued at `NOW`, for 15 minutes."""
    return {
        "sub": "7",
        "sid": "s1",
        "jti": "t1",
        "iat": NOW,
        "exp": NOW + 900,
        "type": "access",
        "roles": ["customer"],
        "fresh": True,
    }

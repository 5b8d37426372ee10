"""Callers of the shop: access tokens of the demo's users, signed with the key that `shop_app` is given."""

import time
import uuid

import jwt
from werkzeug.datastructures import Authorization

from example_app.seeding.demo import DEMO_USERS

SECRET = "the key of the tests, longer than 32 bytes"
# Argon2 at its lowest cost: the seed hashes a password, and each login verifies one.
CHEAP_PASSWORDS = {
    "BACKEND_AUTH_PASSWORD_TIME_COST": 1,
    "BACKEND_AUTH_PASSWORD_MEMORY_KIB": 8,
    "BACKEND_AUTH_PASSWORD_PARALLELISM": 1,
}


def bearer(user_id: int, role: str, **claims: object) -> Authorization:
    """For the `auth` of Flask's test client; belongs to no session."""
    now = int(time.time())
    token = {
        "sub": str(user_id),
        "roles": [role],
        "jti": uuid.uuid4().hex,
        "iat": now,
        "exp": now + 3_600,
        "type": "access",
    }
    return Authorization("bearer", token=jwt.encode(token | claims, SECRET, "HS256"))


# The seed gives the demo's users the first ids.
LOGINS = {user.role: bearer(number, user.role) for number, user in enumerate(DEMO_USERS, start=1)}

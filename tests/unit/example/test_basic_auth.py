"""The memory of verified credentials."""

import pytest

from example_app import basic_auth
from example_app.actor import Actor

ANN = Actor(1, "ann@shop.example", "Ann", "customer")


@pytest.fixture
def clock():
    return [100.0]


@pytest.fixture
def verified(clock):
    return basic_auth.VerifiedCredentials(clock=lambda: clock[0])


def test_credentials_are_forgotten_after_their_time(verified, clock):
    """Known until the last moment of the 30 seconds, then not."""
    verified.put("ann", "secret", ANN)
    clock[0] += 29.9
    assert verified.get("ann", "secret") is ANN
    clock[0] += 0.1
    assert verified.get("ann", "secret") is None


@pytest.mark.parametrize("other", [("ann", "other"), ("bob", "secret"), ("anns", "ecret"), ("", "annsecret")])
def test_only_the_same_address_and_password_are_known(verified, other):
    """Shifting letters between the two does not help."""
    verified.put("ann", "secret", ANN)
    assert verified.get(*other) is None


def test_the_memory_is_bounded_and_holds_no_password(verified):
    """256 entries at most, the oldest goes; neither address nor password can be read from it."""
    for number in range(300):
        verified.put(f"user{number}", "secret", ANN)
    assert len(verified._entries) == 256
    assert verified.get("user0", "secret") is None
    assert verified.get("user299", "secret") is ANN
    assert not [key for key in verified._entries if b"secret" in key or b"user" in key]

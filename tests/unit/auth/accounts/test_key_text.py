"""The text of an API key: told from other text without a look into the database."""

import binascii
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_backend_patterns import ConfigError
from flask_backend_patterns.auth.api_keys import ApiKeys, KeyText
from flask_backend_patterns.auth.database import AuthDatabase

ALPHABET = string.digits + string.ascii_letters


@pytest.mark.parametrize("prefix", ["bk", "x", "shop_live", "A1", "x" * 32])
def test_a_new_key_is_read_back(prefix):
    """Prefix, id and hash; the id shows nothing of the secret."""
    key, text = KeyText.make(prefix)
    assert KeyText.parse(key) == text
    assert text.prefix == prefix
    assert key.startswith(f"{prefix}_{text.id}_")
    assert re.fullmatch(r"[A-Za-z0-9]{16}", text.id)
    assert len(key.rsplit("_", 1)[1]) == 49


def test_a_key_is_never_shown_by_its_parts():
    """Neither the text nor its hash is in a repr."""
    key, text = KeyText.make("bk")
    assert repr(text) == f"KeyText(bk_{text.id})"
    assert key not in repr(text)
    assert text.hash not in repr(text)


def test_the_checksum_is_what_the_documents_say():
    """CRC-32 of all before it, in six characters of base 62, most significant first: scanners can check it."""
    key, _ = KeyText.make("bk")
    number = 0
    for character in key[-6:]:
        number = number * 62 + ALPHABET.index(character)
    assert number == binascii.crc32(key[:-6].encode())


def test_every_mistyped_character_is_noticed():
    """Each character replaced by another one, left out, doubled, or swapped with its neighbour."""
    key, _ = KeyText.make("bk")
    wrong = set()
    for place, character in enumerate(key):
        other = "a" if character != "a" else "b"
        wrong |= {
            key[:place] + other + key[place + 1 :],
            key[:place] + key[place + 1 :],
            key[:place] + character + key[place:],
        }
        wrong.add(key[:place] + key[place : place + 2][::-1] + key[place + 2 :])
    wrong.discard(key)
    assert len(wrong) > 150
    assert [text for text in wrong if KeyText.parse(text) is not None] == []


@pytest.mark.parametrize(
    "change",
    [
        lambda key: "",
        lambda key: key[:-1],
        lambda key: key[:40],
        lambda key: key + "a",
        lambda key: key + "\n",
        lambda key: key + "\x00",
        lambda key: "\x00" + key,
        lambda key: f" {key}",
        lambda key: key.upper() + "x",
        lambda key: f"{key},{key}",
        lambda key: key.replace("_", "-"),
        lambda key: key.replace("_", "__", 1),
        lambda key: key * 10_000,
        lambda key: "é" * len(key),
        lambda key: "\ud800" * len(key),
        lambda key: key[:-1] + "\u0661",
        lambda key: f"_{key}",
        lambda key: f"Bearer {key}",
    ],
)
def test_what_is_no_key_is_none(change):
    """Whatever a header can bring."""
    assert KeyText.parse(change(KeyText.make("bk")[0])) is None


@given(st.text(max_size=120))
def test_no_text_is_an_error(text):
    """Only a key that was made is read."""
    assert KeyText.parse(text) is None


@pytest.mark.parametrize("prefix", ["", "_", "bk_", "_bk", "b-k", "b k", "é", "x" * 33, "\x00", "bk\n"])
def test_a_prefix_that_scanners_cannot_find_is_refused_at_start(prefix):
    """As a wrong setting, by its name."""
    with pytest.raises(ConfigError, match="BACKEND_AUTH_API_KEY_PREFIX"):
        ApiKeys(AuthDatabase(), prefix=prefix, log=None)

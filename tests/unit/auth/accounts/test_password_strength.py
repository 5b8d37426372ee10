"""Which passwords are weak, and what their owners are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_backend_patterns.auth.common_passwords import COMMON_PASSWORDS
from flask_backend_patterns.auth.password_strength import MAX_LENGTH, weaknesses

LOGIN = "bobby.brown@example.com"


def judged(password, login=LOGIN, min_length=10):
    return weaknesses(password, login=login, min_length=min_length)


@pytest.mark.parametrize(
    "password",
    [
        "a horse stands in the rain",
        "tr4verse-Lamp",
        "purple7elephants-dance",
        "vK9$wq_z1L",
        "пять зелёных слонов",
        "雨の中に馬が立っている",
        "😀🦊🌧🚲🏔🎻🧵🍋🪁🛶",
        "correct-horse-battery-staple-and-more",
        "x" * 3 + "k7Zq!m2Wp",
        "2021-03-14 was a rainy day",
    ],
)
def test_a_good_password_is_accepted(password):
    """Sentences, random characters, other scripts: no rule about kinds of characters (NIST SP 800-63B-4)."""
    assert judged(password) == []


@pytest.mark.parametrize(("min_length", "length"), [(8, 7), (10, 9), (10, 0), (15, 14)])
def test_a_short_password_is_weak(min_length, length):
    """In characters, as the setting says; the sentence names the number."""
    text = "vK9$wq_z1Lpt-3fx"
    assert f"Use at least {min_length} characters." in judged(text[:length], min_length=min_length)
    assert judged(text[:min_length], min_length=min_length) == []


def test_length_is_counted_after_normalization():
    """Two code points that make one letter are one character."""
    assert judged("e\u0301" * 3 + "kq7w", min_length=8) != []
    assert judged("e\u0301kq7wZp1", min_length=8) == []


def test_a_password_has_at_most_1024_characters():
    """So that nobody keeps the server busy with long ones."""
    text = "vK9$wq_z1L7m" * 100
    assert judged(text[:MAX_LENGTH]) == []
    assert judged(text[: MAX_LENGTH + 1]) == ["Use at most 1024 characters."]


@pytest.mark.parametrize(
    "password",
    [
        "bobby.brown@example.com",
        "BOBBY.BROWN@example.com",
        "bobby.brown123",
        "my-Bobby.Brown-pw",
        "\uff42\uff4f\uff42\uff42\uff59.brown-99!",
    ],
)
def test_the_login_is_no_password(password):
    """Neither the whole address nor its name, in any case or width, alone or within."""
    assert judged(password) == ["Do not use your login in the password."]


@pytest.mark.parametrize("login", ["al", "al@example.com", "", "@", "a@b"])
def test_a_short_login_forbids_nothing(login):
    """Three letters are in many words."""
    assert judged("a halal lamp stands there", login=login) == []


@pytest.mark.parametrize("password", sorted(COMMON_PASSWORDS))
def test_a_common_password_is_weak(password):
    """However long it is, in any case, and with a few digits and signs around it."""
    for variant in (
        password,
        password.upper(),
        f"{password}123",
        f"!{password}2024!",
        f"{password.capitalize()}1!",
    ):
        assert judged(variant, login="x", min_length=8) != []


@pytest.mark.parametrize(
    "password", ["p@ssw0rd123", "P@$$w0rd!!", "m0nk3y2024", "Dr4g0n99!!", "l3tm31n123", "$unsh1ne1!"]
)
def test_signs_for_letters_do_not_help(password):
    """Guessers know them."""
    assert judged(password) != []


@pytest.mark.parametrize(
    "password",
    ["aaaaaaaaaa", "1234567890", "0987654321", "abcdefghij", "jihgfedcba", "qwertyuiop", "poiuytrewq", "QWERTYUIOP",
     "asdfghjkl123", "1234567890qwertyuiop", "aaaaabbbbb", "zyxwvutsrq", "1111122222", "абвгдежзий", "qwertzuiop"],
)  # fmt: skip
def test_a_sequence_is_weak(password):
    """Of the alphabet, of digits, of a keyboard, of one character; forwards and backwards, or two after each other."""
    assert len(judged(password)) >= 1
    assert "at least" not in judged(password)[0]


@pytest.mark.parametrize("password", ["ab7ab7ab7ab7", "k9Zk9Zk9Zk9Z", "xq1xq1xq1xq1xq1", "vK9$wqvK9$wq"])
def test_a_repeated_piece_is_weak(password):
    """A piece that is too short alone is not longer by being said again."""
    assert judged(password) == ["Do not only repeat characters or follow sequences like 12345 or qwerty."]


@given(password=st.text(max_size=40), login=st.text(max_size=20), min_length=st.integers(8, 128))
def test_any_text_is_judged(password, login, min_length):
    """No text is an error; each complaint is a sentence that does not show the password."""
    for sentence in weaknesses(password, login=login, min_length=min_length):
        assert sentence.endswith(".")
        assert len(password) < 8 or password not in sentence

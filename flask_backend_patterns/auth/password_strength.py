"""What makes a password weak: too short, well known, the login itself, or a mere sequence (NIST SP 800-63B-4, 3.1.1.2)."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from .common_passwords import COMMON_PASSWORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LENGTH: Final = 1_024
_MIN_LOGIN_PART: Final = 4  # a shorter one is in many words
_MIN_UNPREDICTABLE: Final = 5
_MAX_PADDING: Final = 6  # `dragon2024!!` is still `dragon`
_LEADING = re.compile(r"^[\W\d_]+")
_TRAILING = re.compile(r"[\W\d_]+$")
_ROWS: Final = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "azertyuiop", "yxcvbnm")
_LEET: Final = str.maketrans("@4301!$57", "aaeoiisst")


def normalized(password: str) -> str:
    """The form that is measured and hashed, NFKC: what looks the same on another keyboard is the same password."""
    return unicodedata.normalize("NFKC", password)


def weaknesses(password: str, *, login: str, min_length: int) -> list[str]:
    """A sentence for each thing that is wrong with the password, empty when nothing is; lengths are in characters."""
    text = normalized(password)
    if len(text) > MAX_LENGTH:
        return [f"Use at most {MAX_LENGTH} characters."]
    folded = text.casefold()
    found = []
    if len(text) < min_length:
        found.append(f"Use at least {min_length} characters.")
    if _holds_login(folded, normalized(login).casefold()):
        found.append("Do not use your login in the password.")
    if _is_common(folded):
        found.append("This password is too common; choose one that others would not think of.")
    elif len(text) >= min_length and _is_monotonous(folded, min_length):
        found.append("Do not only repeat characters or follow sequences like 12345 or qwerty.")
    return found


def _holds_login(folded: str, login: str) -> bool:
    parts = {login, login.partition("@")[0]}
    return any(len(part) >= _MIN_LOGIN_PART and part in folded for part in parts)


def _is_common(folded: str) -> bool:
    return any(
        core in COMMON_PASSWORDS or core.translate(_LEET) in COMMON_PASSWORDS for core in _cores(folded)
    )


def _cores(word: str) -> Iterator[str]:
    """The word, and what is left of it without a few of the digits and signs around it."""
    before = min(len(word) - len(_LEADING.sub("", word)), _MAX_PADDING)
    after = min(len(word) - len(_TRAILING.sub("", word)), _MAX_PADDING)
    for start in range(before + 1):
        for end in range(min(after, _MAX_PADDING - start) + 1):
            yield word[start : len(word) - end]


def _is_monotonous(folded: str, min_length: int) -> bool:
    return _unpredictable(folded) < _MIN_UNPREDICTABLE or _is_repetition(folded, min_length)


def _unpredictable(folded: str) -> int:
    """How many characters neither repeat the one before nor go on from it, in the alphabet or on a keyboard."""
    return 1 + sum(not _follows(before, after) for before, after in pairwise(folded)) if folded else 0


def _follows(before: str, after: str) -> bool:
    if abs(ord(before) - ord(after)) <= 1:
        return True
    return any(before + after in row or after + before in row for row in _ROWS)


def _is_repetition(folded: str, min_length: int) -> bool:
    """Whether it is a short piece again and again."""
    period = (folded + folded).find(folded, 1)
    return 0 < period < min(len(folded), min_length)

"""Hashing and verifying passwords: what counts, what it costs, and what never fails."""

import dataclasses
import os
import resource
import threading
import unicodedata

import pytest
from werkzeug.security import generate_password_hash

from flask_backend_patterns import ServiceUnavailableError, ValidationError
from flask_backend_patterns.auth.passwords import Passwords
from flask_backend_patterns.auth.settings import AuthSettings

CHEAP = AuthSettings(password_memory_kib=8, password_time_cost=1, password_parallelism=1)
PASSWORD = "a horse stands in the rain"
BAD_HASHES = {
    "empty": "",
    "text": "secret",
    "truncated": "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ",
    "bad base64": "$argon2id$v=19$m=8,t=1,p=1$!!$!!",
    "no parameters": "$argon2id$",
    "unicode": "$argon2id$ä",
    "surrogate": "\ud800",
    "nul": "\x00",
    "werkzeug without method": "scrypt:$x$y",
    "werkzeug truncated": "pbkdf2:sha256:1",
    "werkzeug with nonsense": "scrypt:a:b:c$salt$00",
    "werkzeug with another digest": "pbkdf2:nothing:1$salt$00",
    "werkzeug negative": "pbkdf2:sha256:-1$salt$00",
    "werkzeug too large": f"scrypt:{2**40}:8:1$salt$00",
    "bcrypt": "$2b$12$abcdefghijklmnopqrstuuJq",
}
NO_PASSWORDS = {"empty": "", "too long": "x" * 1_025, "huge": "x" * 10_000_000, "surrogate": "abc\ud800"}


class Log:
    def __init__(self):
        self.events = []

    def info(self, event, **fields):
        self.events.append((event, fields))

    warning = error = info


class CountedHasher:
    """The real hasher; counts how often and on which parameters it is at work, and how many at once."""

    def __init__(self, hasher):
        self._hasher = hasher
        self._lock = threading.Lock()
        self.verified, self.running, self.most = [], 0, 0
        self.gate = None

    def __getattr__(self, name):
        return getattr(self._hasher, name)

    def verify(self, stored, password):
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            if self.gate is not None:
                self.gate.wait(60)
            self.verified.append(stored)
            return self._hasher.verify(stored, password)
        finally:
            with self._lock:
                self.running -= 1


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def passwords(log):
    return Passwords(CHEAP, log=log)


def counted(passwords):
    hasher = CountedHasher(passwords._hasher)
    vars(passwords)["_hasher"] = hasher
    return hasher


@pytest.mark.parametrize(
    "password", [PASSWORD, "x", "x" * 1_024, "\x00\x00", "пароль", "😀" * 20, " space ", "\u0301"], ids=ascii
)
def test_a_password_verifies_against_its_hash_only(passwords, password):
    """Any text of 1 to 1,024 characters can be a password; two hashes of one differ (salt)."""
    stored = passwords.hash(password)
    assert passwords.verify(password, stored)
    assert not passwords.verify(password + "x", stored)
    assert not passwords.verify(password[:-1], stored)
    assert passwords.hash(password) != stored
    assert stored.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert password not in stored or len(password) == 1


def test_hashes_are_stretched_as_the_settings_say(log):
    """Argon2id with the default parameters of RFC 9106 (second recommendation): 64 MiB, 3 passes, 4 lanes."""
    stored = Passwords(AuthSettings(), log=log).hash(PASSWORD)
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


@pytest.mark.parametrize(
    ("typed", "stored_of"),
    [
        ("é", "e\u0301"),
        ("e\u0301", "é"),
        ("\uff41\uff42\uff43", "abc"),
        ("ﬁsh", "fish"),
        ("①", "1"),
        ("\u212b", "Å"),
    ],
    ids=ascii,
)
def test_what_looks_the_same_is_the_same_password(passwords, typed, stored_of):
    """NFKC (NIST SP 800-63B-4): another keyboard or system may write the same letters in another way."""
    assert passwords.verify(typed, passwords.hash(stored_of))
    assert passwords.verify(stored_of, passwords.hash(typed))


@pytest.mark.parametrize("password", NO_PASSWORDS.values(), ids=NO_PASSWORDS.keys())
@pytest.mark.parametrize("stored", [None, "real", "scrypt:32768:8:1$a$00"])
def test_what_is_no_password_is_refused_without_work(passwords, password, stored):
    """Nothing is hashed for it: not an error, and no way to keep the server busy."""
    stored = passwords.hash(PASSWORD) if stored == "real" else stored
    hasher = counted(passwords)
    assert passwords.verify(password, stored) is False
    assert hasher.verified == []
    with pytest.raises(ValidationError) as refused:
        passwords.hash(password)
    assert refused.value.details[0]["field"] == "password"


def test_normalizing_does_not_multiply_the_work(passwords):
    """A character may become 18 in NFKC: 1,024 of them are still hashed, as what they become."""
    password = "\ufdfa" * 1_024
    assert len(unicodedata.normalize("NFKC", password)) == 18 * 1_024
    assert passwords.verify(password, passwords.hash(password))


@pytest.mark.parametrize("stored", BAD_HASHES.values(), ids=BAD_HASHES.keys())
def test_a_hash_that_cannot_be_read_matches_nothing(passwords, log, stored):
    """False and one log line without the hash; wants to be replaced."""
    assert passwords.verify(PASSWORD, stored) is False
    ((event, fields),) = log.events
    assert event == "password_hash_unreadable"
    assert fields.keys() == {"reason"}
    assert passwords.needs_rehash(stored)


@pytest.mark.parametrize(
    ("method", "password"),
    [
        ("scrypt", PASSWORD),
        ("pbkdf2", PASSWORD),
        ("pbkdf2:sha1:1000", PASSWORD),
        ("scrypt:1024:8:1", PASSWORD),
        ("pbkdf2:sha1:1000", "ﬁsh"),
        ("scrypt:1024:8:1", "ﬁsh"),
    ],
)
def test_hashes_of_werkzeug_verify_and_want_to_be_replaced(passwords, log, method, password):
    """Apps of some years have them, made of what was typed, without normalization."""
    stored = generate_password_hash(password, method)
    assert passwords.verify(password, stored)
    assert not passwords.verify(password + "x", stored)
    assert passwords.needs_rehash(stored)
    assert log.events == []


@pytest.mark.parametrize(
    "change", [{"password_time_cost": 2}, {"password_memory_kib": 16}, {"password_parallelism": 2}]
)
def test_changed_settings_ask_for_a_new_hash(passwords, log, change):
    """The old hash still verifies; in both directions, since settings may also go down."""
    other = Passwords(dataclasses.replace(CHEAP, **({"password_memory_kib": 32} | change)), log=log)
    stored = passwords.hash(PASSWORD)
    assert not passwords.needs_rehash(stored)
    assert other.needs_rehash(stored)
    assert other.verify(PASSWORD, stored)
    assert passwords.needs_rehash(other.hash(PASSWORD))


@pytest.mark.parametrize("stored", [None, "wrong", *BAD_HASHES], ids=str)
def test_every_refusal_costs_one_argon2(passwords, stored):
    """Unknown user, no password, wrong password, unreadable hash: one computation with the same parameters each."""
    value = passwords.hash("another") if stored == "wrong" else BAD_HASHES.get(stored)
    passwords.verify(PASSWORD, None)  # the decoy is made once
    hasher = counted(passwords)
    assert passwords.verify(PASSWORD, value) is False
    # What cannot be read is refused by the library before any work.
    worked = [hash_ for hash_ in hasher.verified if hash_ not in BAD_HASHES.values()]
    assert len(worked) == 1
    assert worked[0].startswith("$argon2id$v=19$m=8,t=1,p=1$")


def test_the_decoy_is_made_once(passwords):
    """Also when the first 32 unknown users come at once."""
    made, original = [], passwords._hasher.hash
    hasher = counted(passwords)
    begun = []

    def hash_when_all_have_begun(password):
        while len(begun) < 32:
            pass
        made.append(password)
        return original(password)

    def verify():
        begun.append(1)
        passwords.verify(PASSWORD, None)

    hasher.hash = hash_when_all_have_begun
    threads = [threading.Thread(target=verify) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(made) == 1
    assert len(hasher.verified) == 32


def test_no_password_verifies_against_none(passwords):
    """Not even the text that the decoy was made from."""
    from flask_backend_patterns.auth import passwords as module

    assert passwords.verify(module._DECOY, None) is False


@pytest.mark.parametrize("concurrency", [1, 3])
def test_so_many_are_computed_at_a_time_and_no_more(log, concurrency):
    """A flood of logins does not multiply the memory: the others wait, and all get their answer."""
    passwords = Passwords(CHEAP, log=log, concurrency=concurrency, max_wait_seconds=60)
    stored = passwords.hash(PASSWORD)
    hasher = counted(passwords)
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(passwords.verify(PASSWORD, stored))) for _ in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == [True] * 40
    assert hasher.most <= concurrency


def test_who_waits_too_long_is_told_to_come_back(log):
    """503 `OVERLOADED` with `Retry-After`, while one computation is at work; afterwards there is room again."""
    passwords = Passwords(CHEAP, log=log, concurrency=1, max_wait_seconds=0.01)
    stored = passwords.hash(PASSWORD)
    hasher = counted(passwords)
    hasher.gate = threading.Event()
    busy = threading.Thread(target=passwords.verify, args=(PASSWORD, stored))
    busy.start()
    while not hasher.running:
        pass
    for work in (lambda: passwords.verify(PASSWORD, stored), lambda: passwords.hash(PASSWORD)):
        with pytest.raises(ServiceUnavailableError) as refused:
            work()
        assert refused.value.code == "OVERLOADED"
        assert "Retry-After" in refused.value.headers
    hasher.gate.set()
    busy.join(60)
    assert passwords.verify(PASSWORD, stored)


def test_a_weak_password_is_refused_with_all_that_is_wrong(passwords):
    """The error names the field, which may be called otherwise, and never holds the password."""
    with pytest.raises(ValidationError) as refused:
        passwords.require_strong("bobby", login="bobby@example.com", field="new_password")
    assert [detail["field"] for detail in refused.value.details] == ["new_password"] * 2
    assert "bobby" not in str(refused.value.details)


@pytest.mark.parametrize("password", ["x" * 1_025, "\ud800" * 20, "x" * 10_000_000])
def test_what_cannot_be_a_password_is_weak(passwords, password):
    """Refused quickly, as invalid input."""
    with pytest.raises(ValidationError):
        passwords.require_strong(password, login="bob")


def test_a_check_of_your_own_adds_its_sentences(log):
    """`find_weaknesses` gets password and login; what it returns is shown beside ours."""
    seen = []

    def leaked(password, login):
        seen.append((password, login))
        return ["It was found in a leak."] if "rain" in password else []

    passwords = Passwords(CHEAP, log=log, find_weaknesses=leaked)
    passwords.require_strong("a horse stands in the sun", login="bob")
    with pytest.raises(ValidationError) as refused:
        passwords.require_strong(PASSWORD, login="bob")
    assert [detail["message"] for detail in refused.value.details] == ["It was found in a leak."]
    assert seen[-1] == (PASSWORD, "bob")


def test_no_memory_is_an_overload(log):
    """More memory than the machine has: 503 for hashing, and nobody verifies; not a fault."""
    passwords = Passwords(dataclasses.replace(CHEAP, password_memory_kib=4_194_304), log=log)
    modest = Passwords(CHEAP, log=log)
    stored = modest.hash(PASSWORD)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (2**31, hard))
    try:
        with pytest.raises(ServiceUnavailableError):
            passwords.hash(PASSWORD)
        with pytest.raises(ServiceUnavailableError):
            passwords.verify(PASSWORD, None)
        with pytest.raises(ServiceUnavailableError):
            modest.verify(PASSWORD, stored.replace("m=8,", "m=4194304,"))
        assert passwords.verify(PASSWORD, stored)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_a_forked_process_has_all_its_room(log):
    """Although threads of its parent were at work when it began."""
    passwords = Passwords(CHEAP, log=log, concurrency=1, max_wait_seconds=0.01)
    stored = passwords.hash(PASSWORD)
    passwords._room.acquire()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if passwords.verify(PASSWORD, stored) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with pytest.raises(ServiceUnavailableError):
        passwords.verify(PASSWORD, stored)

"""Registering, proving an address and choosing a new password, with the mails that the worker's job writes."""

import email
import email.policy
from pathlib import Path

import pytest
from rq import SimpleWorker
from rq.serializers import JSONSerializer
from sqlalchemy import select

from example_app.extensions import db
from example_app.models import User

PASSWORD, OTHER_PASSWORD = "a horse stands in the rain", "seven tall paper lanterns"
ADA = "ada@example.com"


class Postman:
    """Sends requests about accounts, and reads the mails that come of them."""

    def __init__(self, app):
        self.app = app
        self.queue = app.extensions["example_app.queue"]
        self.folder = Path(app.instance_path) / "mail"

    def post(self, path, **body):
        return self.app.test_client().post(f"/auth/{path}", json=body)

    def register(self, login=ADA, name="Ada", **details):
        return self.post("register", login=login, password=PASSWORD, details={"name": name} | details)

    def mails(self):
        """Work off the queue; the mails by the kind in their file's name, which are then gone."""
        with self.app.app_context():
            worker = SimpleWorker([self.queue], connection=self.queue.connection, serializer=JSONSerializer)
            worker.work(burst=True, logging_level="WARNING")
        found = {}
        for file in self.folder.glob("account-*.eml"):
            _, kind, _ = file.stem.split("-")
            assert kind not in found
            found[kind] = email.message_from_bytes(file.read_bytes(), policy=email.policy.SMTP)
            file.unlink()
        return found

    def token(self, kind):
        """The one in the mail: a line of its own at the end."""
        (sent,) = self.mails().items()
        assert sent[0] == kind
        return sent[1].get_content().split()[-1]

    def user(self, login=ADA):
        with self.app.app_context():
            return db.session.scalar(select(User).where(User.email == login))


@pytest.fixture
def postman(shop_app):
    return Postman(shop_app)


def test_who_registers_is_a_customer_with_a_name(postman):
    """202; the account has the name that was given and the role of customers, whatever else was sent."""
    assert postman.register("Ada@Example.com", name="Ada Lovelace \u00e9\u4e16").status_code == 202
    user = postman.user()
    assert (user.name, user.role, user.is_active, user.verified_at) == (
        "Ada Lovelace \u00e9\u4e16",
        "customer",
        True,
        None,
    )
    assert user.password_hash.startswith("$argon2id$")
    token = postman.post("login", login=ADA, password=PASSWORD).get_json()["data"]["access_token"]
    me = postman.app.test_client().get("/api/me", headers={"Authorization": f"Bearer {token}"}).get_json()
    assert (me["data"]["name"], me["data"]["role"]) == (user.name, "customer")


@pytest.mark.parametrize(
    "details",
    [
        None,
        {},
        {"name": ""},
        {"name": "x" * 201},
        {"name": "a\0b"},
        {"name": "\ud800"},
        {"name": 7},
        {"name": "Ada", "role": "admin"},
        {"name": "Ada", "is_active": True},
    ],
    ids=repr,
)
def test_what_cannot_be_stored_is_refused_by_name(postman, details):
    """422 that names the field, nobody is registered, and nobody registers as somebody else's role."""
    body = {"login": ADA, "password": PASSWORD} | ({} if details is None else {"details": details})
    answer = postman.app.test_client().post("/auth/register", json=body)
    assert answer.status_code == 422, answer.text
    assert all(
        "name" in one["field"] or "details" in one["field"] for one in answer.get_json()["error"]["details"]
    )
    assert postman.user() is None
    assert postman.mails() == {}


def test_the_mail_verifies_the_address(postman):
    """The job writes one mail to the address, whose token counts once."""
    postman.register()
    sent = postman.mails()["verify"]
    assert (sent["To"], sent["From"]) == (ADA, "Shop <accounts@shop.example>")
    assert sent["Date"]
    head, empty, token = sent.get_content().splitlines()
    assert (head, empty) == ("Send this token to POST /auth/verify within a day:", "")
    assert postman.post("verify", token=token).status_code == 200
    assert postman.user().verified_at is not None
    assert postman.post("verify", token=token).status_code == 422


def test_the_mail_resets_the_password(postman):
    """With its token the new password counts and the old one does not, nor does what was logged in."""
    postman.register()
    postman.mails()
    refresh = postman.post("login", login=ADA, password=PASSWORD).get_json()["data"]["refresh_token"]
    assert postman.post("reset/request", login=ADA).status_code == 202
    token = postman.token("reset")
    assert postman.post("reset", token=token, password=OTHER_PASSWORD).status_code == 200
    statuses = [
        postman.post("login", login=ADA, password=one).status_code for one in (PASSWORD, OTHER_PASSWORD)
    ]
    assert statuses == [401, 200]
    assert postman.post("refresh", refresh_token=refresh).status_code == 401


def test_a_known_address_is_told_by_mail_only(postman):
    """Registering again answers the same bytes; the owner's mail says so, once the address is verified, without a token."""
    first = postman.register()
    postman.post("verify", token=postman.token("verify"))
    again = postman.register(name="Eve")
    assert (again.status_code, again.data) == (first.status_code, first.data)
    (text,) = postman.mails()["already_registered"].get_content().splitlines()
    assert text.startswith("Somebody, probably you, tried to register with this address.")
    assert postman.user().name == "Ada"


def test_nobody_is_written_to_at_an_unknown_address(postman):
    """The same 202 as for a known one, and no mail."""
    assert postman.post("reset/request", login="nobody@example.com").status_code == 202
    assert postman.post("verify/resend", login="nobody@example.com").status_code == 202
    assert postman.mails() == {}


def test_a_token_is_in_redis_until_the_mail_is_written(postman, caplog):
    """Not in what the worker logs, nor in any key afterwards."""
    postman.register()
    (job,) = postman.queue.jobs
    token = job.args[2]
    assert token not in job.description
    with caplog.at_level("DEBUG"):
        assert postman.token("verify") == token
    assert token not in caplog.text
    connection = postman.queue.connection
    assert [key for key in connection.keys("rq:job:*") if connection.type(key) == b"hash"] == []


def test_without_redis_the_answer_is_the_same(postman, redis_server, caplog):
    """202, an account, no mail, and a line in the log without the token; the mail can be asked for again."""
    redis_server.stop()
    assert postman.register().status_code == 202
    assert postman.user() is not None
    (line,) = [one for one in caplog.records if one.message == "job.not_enqueued"]
    assert line.job == "example_app.jobs.account_mails.send_account_mail"
    redis_server.reset()
    assert postman.post("verify/resend", login=ADA).status_code == 202
    assert postman.post("verify", token=postman.token("verify")).status_code == 200

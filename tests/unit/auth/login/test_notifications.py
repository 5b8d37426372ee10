"""Messages go out after the commit; whoever delivers them can break nothing."""

import pytest
from flask import Flask

from flask_backend_patterns import Notification, SetupError
from flask_backend_patterns.auth.notifications import Notifications

MESSAGE = Notification(kind="reset", user=None, token="secret-token", expires_in_seconds=60)


class Log:
    def __init__(self):
        self.events = []

    def error(self, event, **fields):
        self.events.append((event, fields))


@pytest.fixture(autouse=True)
def context():
    with Flask("notifications").app_context():
        yield


def test_a_message_is_handed_over():
    """Without a transaction at once."""
    got = []
    Notifications(got.append, log=Log()).send(MESSAGE)
    assert got == [MESSAGE]


def test_an_async_notifier_is_waited_for():
    """`async def` works as well."""
    got = []

    async def deliver(message):
        got.append(message)

    Notifications(deliver, log=Log()).send(MESSAGE)
    assert got == [MESSAGE]


@pytest.mark.parametrize("use", [lambda notifications: notifications.require(), lambda n: n.send(MESSAGE)])
def test_without_a_notifier(use):
    """The error says where to hand one over."""
    with pytest.raises(SetupError, match=r"BackendPatterns\(notifier=\.\.\.\) or BACKEND_AUTH_NOTIFIER"):
        use(Notifications(None, log=Log()))


def test_a_failure_is_logged_without_the_token():
    """Kind, exception and place; neither message nor stack, which may show the token."""

    def deliver(message):
        raise ValueError(f"no mail for {message.token}")

    log = Log()
    Notifications(deliver, log=log).send(MESSAGE)
    [(event, fields)] = log.events
    assert event == "auth.notification_failed"
    assert fields["kind"] == "reset"
    assert fields["exception"] == "ValueError"
    assert "deliver:" in fields["at"]
    assert "secret-token" not in repr(fields)


def test_the_token_is_in_no_repr():
    """Whoever logs a message logs no secret."""
    assert "secret-token" not in repr(MESSAGE)

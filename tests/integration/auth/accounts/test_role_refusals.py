"""What `save_role` says when it refuses: a script or a log has only the exception's text."""

import pytest

from flask_backend_patterns import ValidationError
from flask_backend_patterns.auth.roles_table import save_role


@pytest.fixture
def database_url(sqlite_url):
    """Nothing here depends on the database."""
    return sqlite_url


@pytest.mark.parametrize(
    ("named", "arguments"),
    [
        ("nobody", ("role", ["a:b"], ["nobody"])),
        ("Not A Permission", ("role", ["a:b", "Not A Permission"])),
        ("a" * 40, ("role", ["a" * 256])),
        ("inherit from itself", ("role", ["a:b"], ["role"])),
        ("Invalid name", (" admin", ["a:b"])),
    ],
)
def test_the_text_of_a_refusal_names_what_is_wrong(app, named, arguments):
    """`str(error)` and `message` say it, not only the details."""
    with pytest.raises(ValidationError) as refused:
        save_role(*arguments)
    assert named in str(refused.value)
    assert named in refused.value.message

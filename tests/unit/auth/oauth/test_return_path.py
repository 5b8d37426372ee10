"""Paths to go back to: a property over everything a client can send."""

from urllib.parse import urljoin, urlsplit

from hypothesis import example, given
from hypothesis import strategies as st

from flask_backend_patterns.auth.oauth.return_path import same_site_path

PIECES = st.sampled_from(
    [*"/\\?#@:.%\t\n\r \0ü;", "//", "/\\", "%2f", "%5C", "%25", "https:", "evil.example", "..", "x", "%0d%0a"]
)
SITE = "https://shop.example/auth/oauth/first/callback"


@given(st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=40))
@example("/x\ud800")
@example("/" + "%25" * 300)
def test_what_is_let_through_stays_on_the_site(wanted):
    """Resolved as a browser resolves it, also after one decoding more: the same scheme and host, and one header line."""
    location = same_site_path(wanted)
    if location is None:
        return
    assert location.isascii()
    assert location.isprintable()
    for read in (location, location.replace("\\", "/")):
        resolved = urlsplit(urljoin(SITE, read))
        assert (resolved.scheme, resolved.netloc) == ("https", "shop.example")
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))


@given(st.from_regex(r"/([a-z0-9_-]{1,8}/){0,3}[a-z0-9_-]{1,8}(\?[a-z]=[a-z0-9/:]{0,8})?", fullmatch=True))
def test_ordinary_paths_are_kept_as_they_are(path):
    """The rule is not so strict that nothing passes."""
    assert same_site_path(path) == path

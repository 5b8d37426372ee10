"""A real browser before a real server, with no other host in reach."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright
from werkzeug.serving import make_server

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NEXT = "Install it (Debian: apt-get install chromium) and run `make test` again."
# The app has a name of its own, since Swagger UI is shyer on localhost. No other name is found, so a page that needs another
# host would break.
HOST = "coffee.example"
OFFLINE = f"--host-resolver-rules=MAP {HOST} 127.0.0.1 , MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
# For `BrowserContext.add_init_script`: what breaks a page's Content-Security-Policy is kept in `window.breaches`.
REMEMBER_BREACHES = """
window.breaches = [];
document.addEventListener("securitypolicyviolation", (event) =>
    window.breaches.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}`));
"""


@contextmanager
def served(wsgi_app) -> Iterator[str]:
    """The address of a real server with `wsgi_app`."""
    server = make_server("127.0.0.1", 0, wsgi_app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(60)
        server.server_close()


@contextmanager
def launched() -> Iterator[Browser]:
    """Debian's Chromium (or Chrome); without one the tests are skipped, on CI they fail."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(f"There is no Chromium on this machine. {NEXT}")
        pytest.skip(f"there is no Chromium on this machine. {NEXT}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", OFFLINE])
        yield browser
        browser.close()

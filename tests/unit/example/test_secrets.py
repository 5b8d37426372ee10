"""The secrets that the shop makes up for itself."""

import stat
import subprocess
import sys

from example_app.config import settings_from_environ

NAMES = {"SECRET_KEY": "secret_key", "JWT_SECRET_KEY": "jwt_secret_key"}


def secrets_of(folder, **environ):
    settings = settings_from_environ(folder, environ)
    return {name: settings[name] for name in NAMES}


def test_secrets_are_made_once_and_kept(tmp_path):
    """32 bytes of chance each, readable by their owner only, the same at the next start, others in another folder."""
    first = secrets_of(tmp_path / "one")
    assert secrets_of(tmp_path / "one") == first
    assert len({*first.values(), *secrets_of(tmp_path / "other").values()}) == 4
    assert all(len(bytes.fromhex(secret)) == 32 for secret in first.values())
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "one").iterdir()}
    assert files == dict.fromkeys(NAMES.values(), 0o600)


def test_given_secrets_go_first(tmp_path):
    """Then nothing is written."""
    given = {"SHOP_SECRET_KEY": "a", "SHOP_JWT_SECRET_KEY": "b"}
    assert secrets_of(tmp_path, **given) == {"SECRET_KEY": "a", "JWT_SECRET_KEY": "b"}
    assert list(tmp_path.iterdir()) == []


def test_processes_that_start_together_agree(tmp_path):
    """Server and worker come up at once: whoever writes first, all read the same."""
    program = (
        "import pathlib, sys; from example_app.config import settings_from_environ as s;"
        "print(s(pathlib.Path(sys.argv[1]), {})['JWT_SECRET_KEY'])"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = {process.communicate(timeout=60)[0] for process in started}
    assert len(said) == 1
    assert len(said.pop().strip()) == 64

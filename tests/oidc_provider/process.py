"""Starts the provider as a process, and gives it orders."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import httpx

PROGRAM = Path(__file__).parent / "provider.py"
SECRET = "a-client-secret:with/odd+characters%"


class OidcProvider:
    """A running provider: `issuer`, `client_secret`, and orders for its next conversations."""

    client_secret = SECRET

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.issuer: str = json.loads(self._line())["issuer"]
        self._is_running = True
        # Plain HTTP: the authorities of the machine need not be read.
        self._control = httpx.Client(base_url=self.issuer, timeout=60, trust_env=False, verify=False)

    def start(self) -> None:
        """Listen on the port it had before; what it remembers is still there."""
        self._tell("start")
        self._is_running = True

    def stop(self) -> None:
        """Let nobody listen on its port."""
        if self._is_running:
            self._tell("stop")
        self._is_running = False

    def _tell(self, order: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        assert self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    @property
    def is_running(self) -> bool:
        return self._is_running

    def order(self, **behaviour: Any) -> None:
        """Set fields of `Behaviour` in provider.py."""
        self._control.post("/control", json=behaviour).raise_for_status()

    def reset(self) -> None:
        """As at its start, but for the keys; running."""
        if not self.is_running:
            self.start()
        self._control.delete("/control").raise_for_status()

    def rotate_keys(self) -> str:
        """Sign with a new key, forget the old one; returns the id of the new one."""
        return self._control.post("/control/rotation").raise_for_status().json()["key_id"]

    def requests(self) -> dict[str, int]:
        """How often each path was asked for since the last reset."""
        return self._control.get("/control/requests").raise_for_status().json()

    def settings(self, **more: Any) -> dict[str, Any]:
        """An entry of BACKEND_AUTH_OAUTH_PROVIDERS."""
        return {"issuer": self.issuer, "client_id": "web", "client_secret": SECRET, **more}

    def close(self) -> None:
        self._control.close()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

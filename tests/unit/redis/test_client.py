"""The one way to reach Redis."""

from __future__ import annotations

import socket
import threading

import pytest
from redis import RedisError

from flask_backend_patterns._redis import RedisSettings, connect


def test_a_failed_command_is_not_tried_again():
    """R1: redis-py's ten hidden retries with backoff cost seconds on every request; ours asks once."""
    accepted = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)

        def refuse_all():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                accepted.append(True)
                connection.close()

        thread = threading.Thread(target=refuse_all)
        thread.start()
        client = connect(RedisSettings(url=f"redis://127.0.0.1:{server.getsockname()[1]}"))
        with pytest.raises(RedisError):
            client.ping()
        client.close()
        thread.join()
    assert len(accepted) == 1

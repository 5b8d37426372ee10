"""A process with an app that bans; reads commands from its input, a line of JSON each, and answers them."""

import json
import sys

from flask import Flask

from flask_backend_patterns import BackendPatterns


def main(url):
    app = Flask("banning")
    app.config.update(BACKEND_LIMITS_BAN_AFTER=200, BACKEND_REDIS_URL=url, BACKEND_REDIS_TIMEOUT_SECONDS=20)
    BackendPatterns(app)
    app.add_url_rule("/refused", view_func=lambda: ("no", 429))
    client = app.test_client()
    for line in sys.stdin:
        address, times = json.loads(line)
        statuses = [
            client.get("/refused", environ_base={"REMOTE_ADDR": address}).status_code for _ in range(times)
        ]
        sys.stdout.write(json.dumps({str(status): statuses.count(status) for status in set(statuses)}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])

"""One app's metrics: a registry of its own, right counts from threads and processes, an answer to any scrape."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from flask_backend_patterns import BackendPatterns
from flask_backend_patterns._config import ConfigError, SetupError
from flask_backend_patterns.observability.metrics import Metrics


def samples(text: bytes) -> dict[tuple[str, ...], float]:
    """Name and label values of each counter -> its value."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.name.endswith("_total")
    }


def make_app(**config) -> Flask:
    app = Flask("measured")
    app.config.update(config)
    BackendPatterns().init_app(app)
    app.add_url_rule("/", "index", lambda: "index")
    return app


def test_two_apps_do_not_share_counts():
    """Each has its registry, and the process-wide default one knows neither."""
    first, second = Metrics(), Metrics()
    first.counter("things_total", "Things.", ["kind"]).labels("a").inc()
    second.counter("things_total", "Things.", ["kind"]).labels("b").inc(2)
    assert samples(first.exposition("")[0]) == {("things_total", "a"): 1}
    assert samples(second.exposition("")[0]) == {("things_total", "b"): 2}
    assert REGISTRY.get_sample_value("things_total", {"kind": "a"}) is None


def test_a_counter_is_made_once():
    """Two features may ask for the same; other labels for the same name are refused."""
    metrics = Metrics()
    counter = metrics.counter("things_total", "Things.", ["kind"])
    assert metrics.counter("things_total", "Things.", ("kind",)) is counter
    with pytest.raises(SetupError, match="things_total has the labels"):
        metrics.counter("things_total", "Things.", ["colour"])


def test_threads_lose_no_count():
    """8 threads that make and use the same counters at once count exactly."""
    metrics, barrier = Metrics(), Barrier(8, timeout=10)

    def count(_number):
        for turn in range(200):
            barrier.wait()
            metrics.counter(f"things_{turn}_total", "Things.", ["kind"]).labels("a").inc()

    kept = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(count, range(8)))
    finally:
        sys.setswitchinterval(kept)
    assert samples(metrics.exposition("")[0]) == {(f"things_{turn}_total", "a"): 8.0 for turn in range(200)}


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text; version=none", "text/plain; version=0.0.4"),
    ],
)
def test_the_format_follows_the_accept_header(accept, content_type):
    """OpenMetrics for who asks for it, text for the rest, a version that is none included."""
    metrics = Metrics()
    metrics.counter("things_total", "Things.", ["kind"]).labels('é"\n').inc()
    body, sent = metrics.exposition(accept)
    assert sent.startswith(content_type)
    assert 'things_total{kind="é\\"\\n"} 1.0' in body.decode()


media = st.sampled_from(["text/plain", "application/openmetrics-text", "*/*"])
parameters = st.sampled_from(["version", "escaping", "q", ""])


@given(
    st.text()
    | st.lists(st.tuples(media, parameters, st.text("019.=;-_a", max_size=5)), max_size=3).map(
        lambda parts: ",".join(f"{kind};{name}={value}" for kind, name, value in parts)
    )
)
def test_any_accept_header_is_answered(accept):
    """What anybody may send is never a failure."""
    body, content_type = Metrics().exposition(accept)
    assert "\n" not in content_type
    assert isinstance(body, bytes)


def test_the_endpoint_is_off_until_it_has_a_path():
    """Nothing is answered, and prometheus-client not even imported, unless `metrics_path` is set."""
    assert make_app().test_client().get("/metrics").status_code == 404
    program = """
        import sys
        from flask import Flask
        from flask_backend_patterns import BackendPatterns
        BackendPatterns(Flask("x"))
        assert "prometheus_client" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=60)


def test_the_endpoint_answers_scrapes():
    """GET and HEAD of the path; never stored; its counters are those of the app's state."""
    app = make_app(BACKEND_OBSERVABILITY_METRICS_PATH="/internal/metrics")
    metrics = app.extensions["backend_patterns"].observability.metrics
    metrics.counter("things_total", "Things.").inc()
    answer = app.test_client().get("/internal/metrics", headers={"Accept": "text/plain;version=x"})
    assert answer.status_code == 200
    assert samples(answer.data)["things_total",] == 1
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    head = app.test_client().head("/internal/metrics")
    assert (head.status_code, head.data) == (200, b"")
    assert app.test_client().get("/metrics").status_code == 404


@pytest.mark.parametrize("path", ["metrics", "", "/a?b", "/a#b", "/<name>", "/mé", "/a\nb"])
def test_a_path_that_nobody_can_ask_for_is_refused(path):
    """A wrong setting is named when the app is made."""
    with pytest.raises(ConfigError, match="BACKEND_OBSERVABILITY_METRICS_PATH"):
        make_app(BACKEND_OBSERVABILITY_METRICS_PATH=path)


def test_a_missing_directory_is_refused(monkeypatch, tmp_path):
    """A wrong `PROMETHEUS_MULTIPROC_DIR` is said at the start, not at the first scrape."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "none"))
    with pytest.raises(SetupError, match="PROMETHEUS_MULTIPROC_DIR is"):
        make_app(BACKEND_OBSERVABILITY_METRICS_PATH="/metrics")


def test_a_gauge_is_made_once():
    """As a counter; it says how things are now."""
    metrics = Metrics()
    gauge = metrics.gauge("things_up", "Things.", ["name"])
    gauge.labels("a").set(1)
    gauge.labels("a").set(0)
    assert metrics.gauge("things_up", "Things.", ("name",)) is gauge
    assert 'things_up{name="a"} 0.0' in metrics.exposition("")[0].decode()
    with pytest.raises(SetupError, match="things_up has the labels"):
        metrics.gauge("things_up", "Things.", ["colour"])


GAUGE_WORKER = """
import sys
from flask_backend_patterns.observability.metrics import Metrics

metrics = Metrics()
metrics.gauge("things_up", "Things.").set(float(sys.argv[1]))
print("set", flush=True)
sys.stdin.readline()
print(metrics.exposition("")[0].decode())
"""


def test_the_lowest_gauge_of_the_processes_that_run_counts(monkeypatch, tmp_path):
    """One worker that cannot reach a dependency is seen; one that has ended says nothing any more."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", GAUGE_WORKER, value],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for value in ("1", "0", "1")
    ]
    for worker in workers:
        assert worker.stdout.readline() == "set\n"
    shown = [workers[number].communicate("\n", timeout=60)[0] for number in (0, 1, 2)]
    assert ["things_up 0.0" in text for text in shown] == [True, True, False]
    assert "things_up 1.0" in shown[2]


WORKER = """
import sys
from flask_backend_patterns.observability.metrics import Metrics

metrics = Metrics()
counter = metrics.counter("things_total", "Things.", ["kind"])
for _ in range(int(sys.argv[1])):
    counter.labels("a").inc()
print(metrics.exposition("")[0].decode())
"""


def test_a_file_that_is_just_being_made_is_passed_over(monkeypatch, tmp_path):
    """A process that starts while another one is scraped has made its file and not yet filled it."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    command = [sys.executable, "-c", WORKER, "3"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    tmp_path.joinpath("counter_1.db").touch()
    found = subprocess.run([*command[:-1], "0"], check=True, capture_output=True, timeout=60).stdout
    assert samples(found) == {("things_total", "a"): 3}


def test_processes_are_added_up(monkeypatch, tmp_path):
    """With `PROMETHEUS_MULTIPROC_DIR` 4 processes at once count exactly, and any process answers for all."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))

    def count(times):
        command = [sys.executable, "-c", WORKER, str(times)]
        return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, [500, 600, 700, 800]))
    assert samples(count(0)) == {("things_total", "a"): 2_600}

"""The pages say what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_every_example_runs(block, tmp_path):
    """Each Python block of README and docs works when pasted into a file."""
    file = tmp_path / "example.py"
    file.write_text(block)
    subprocess.run([sys.executable, "-W", "error", str(file)], check=True, timeout=60, cwd=tmp_path)


def test_the_readme_example_answers_as_the_readme_says(tmp_path):
    """The ten lines give the answer printed below them."""
    text = (ROOT / "README.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (answer,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    namespace: dict = {"__name__": "readme"}
    exec(compile(block, "README.md", "exec"), namespace)  # our own text
    response = namespace["app"].test_client().get("/api/orders/7")
    shown = re.sub(r'"request_id":\s*"[^"]*"', '"request_id": "5f0c..."', response.get_data(as_text=True))
    assert re.sub(r"\s", "", shown) == re.sub(r"\s", "", answer)


def test_the_settings_page_is_the_one_the_code_gives():
    """Run `make docs` after changing a setting."""
    done = subprocess.run(
        [sys.executable, "-c", "from docs.build import page; print(page(), end='')"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert (ROOT / "docs" / "settings.md").read_text() == done.stdout


def test_links_between_pages_lead_somewhere():
    """No dead relative link."""
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"

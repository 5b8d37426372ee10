"""Which request ids are taken over."""

from __future__ import annotations

import re

import pytest

from flask_backend_patterns.observability.request_id import accept_or_make


@pytest.mark.parametrize("sent", ["a", "A-b_c.9", "x" * 128])
def test_well_formed_ids_are_taken_over(sent):
    """1 to 128 of `[A-Za-z0-9._-]` (CONTRACTS section 3)."""
    assert accept_or_make({"HTTP_X_REQUEST_ID": sent}) == sent


@pytest.mark.parametrize("sent", ["", "x" * 129, "a b", "a\n", "a\r\nX: y", "é", '"', "<script>", "a,b"])
def test_others_are_replaced(sent):
    """Nobody writes lines or markup into our logs."""
    assert accept_or_make({"HTTP_X_REQUEST_ID": sent}, lambda: "made") == "made"


def test_made_ids_are_random_and_well_formed():
    """32 hex digits, never the same."""
    made = {accept_or_make({}) for _ in range(1_000)}
    assert len(made) == 1_000
    assert all(re.fullmatch(r"[0-9a-f]{32}", item) for item in made)

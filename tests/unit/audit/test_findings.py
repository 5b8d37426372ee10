"""Each condition of `--fail-on`, holding and not holding."""

import pytest

from flask_backend_patterns.audit import CONDITIONS, RouteAudit, RouteEntry, Source, find_faults
from flask_backend_patterns.audit.route_entry import Need

REQUIRED = {"authentication": "required"}
PUBLIC = {"authentication": "public: for all"}


def entry(rule="/x", method="GET", columns=REQUIRED, **options):
    declared = "authentication" in columns
    return RouteEntry(rule=rule, method=method, endpoint="x", columns=columns, declared=declared, **options)


RED = [
    ("undeclared", entry(columns={})),
    ("undeclared", entry(columns={"cache": "60 s"}, method="POST")),
    ("unlimited-login", entry(columns=PUBLIC | {"credentials": "taken"}, method="GET")),
    *(
        ("unlimited-login", entry(rule=rule, method="POST", columns=columns))
        for rule in (
            *("/login", "/auth/Login", "/api/v1/sign-in", "/log_in", "/token", "/oauth/tokens/"),
            *("/password", "/me/password", "/password-reset", "/reset/<token>", "/<int:user>/passwords"),
        )
        for columns in ({}, REQUIRED, PUBLIC)
    ),
    ("unlimited-login", entry(rule="/login", method="ANY", columns={})),
    ("uncached", entry(columns=PUBLIC)),
    ("uncached", entry(columns=PUBLIC, method="ANY")),
    ("undocumented", entry(documented=False)),
    ("bypassed", entry(bypassed=("RequireAuth",))),
    ("unknown-role", entry(unknown_roles=("admn",))),
    ("ungranted", entry(ungranted=("order:read",))),
    ("deprecated", entry(columns=REQUIRED | {"deprecation": "since 2026-01-01"})),
    ("public", entry(columns=PUBLIC)),
    ("public", entry(columns={"authentication": "public"})),
]
GREEN = [
    ("undeclared", entry()),
    ("undeclared", entry(columns=PUBLIC)),
    *(("undeclared", entry(columns={}, source=source)) for source in Source if source is not Source.VIEW),
    ("unlimited-login", entry(rule="/login", method="POST", columns=PUBLIC | {"limit": "5/minute"})),
    ("unlimited-login", entry(rule="/login", method="GET")),
    ("unlimited-login", entry(rule="/orders", method="POST", columns={})),
    ("unlimited-login", entry(rule="/blog/<login>", method="POST")),
    ("unlimited-login", entry(rule="/tokenizer", method="POST")),
    ("unlimited-login", entry(rule="/<any(a-login-b):page>", method="POST")),
    ("unlimited-login", entry(rule="/login", method="POST", source=Source.REDIRECT)),
    ("uncached", entry(columns=PUBLIC | {"cache": "60 s"})),
    ("uncached", entry(columns=PUBLIC, method="POST")),
    ("uncached", entry()),
    ("uncached", entry(columns={"authentication": "public: by setting"}, source=Source.SETTING)),
    ("undocumented", entry(documented=True)),
    ("undocumented", entry(documented=None)),
    ("bypassed", entry()),
    ("unknown-role", entry(columns=REQUIRED | {"roles": "admin"}, needs=(Need(roles=("admin",)),))),
    ("ungranted", entry(needs=(Need(permission="orders:read"),))),
    ("deprecated", entry()),
    ("public", entry()),
    ("public", entry(columns={})),
    ("public", entry(columns=PUBLIC, source=Source.SETTING)),
]


@pytest.mark.parametrize(("name", "route"), RED)
def test_a_fault_is_found(name, route):
    """With the name of the condition, where it is, and what to do."""
    (finding,) = find_faults([route], [name])
    assert (finding.condition, finding.entry) == (name, route)
    for part in (name, route.method, route.rule, finding.fix):
        assert part in str(finding)


@pytest.mark.parametrize(("name", "route"), GREEN)
def test_what_is_no_fault_is_let_pass(name, route):
    """The neighbours of each fault."""
    assert find_faults([route], [name]) == []


def test_every_condition_is_tried_both_ways():
    """The two tables above cover all there are."""
    names = set(CONDITIONS)
    assert {name for name, _ in RED} == names == {name for name, _ in GREEN}
    assert set(RouteAudit().conditions) == names


def test_several_conditions_are_all_looked_for():
    """One route may have several faults; asking twice finds each once."""
    route = entry(columns={}, documented=False)
    found = find_faults([route], ["undocumented", "undeclared", "undocumented"])
    assert [finding.condition for finding in found] == ["undocumented", "undeclared"]
    assert found[0].as_dict() == {
        "condition": "undocumented",
        "method": "GET",
        "location": "/x",
        "endpoint": "x",
        "fix": found[0].fix,
    }


def test_bypassed_names_what_is_not_enforced():
    """So that nobody has to guess which decorator to move."""
    (finding,) = find_faults([entry(bypassed=("RequireAuth", "RequireRole"))], ["bypassed"])
    assert "RequireAuth, RequireRole" in str(finding)

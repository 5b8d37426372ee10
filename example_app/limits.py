"""How often callers may call: the rates of the shop. `docs/limits.md` says how they are written."""

from __future__ import annotations

from typing import Final

# Each method of each route that says nothing itself, by who calls. Admins repair and migrate by programs of our own.
DEFAULT: Final = "120/minute"
STAFF: Final = "600/minute"
DEFAULT_TIERS: Final = {"support": STAFF, "manager": STAFF, "admin": None}

# By address, since nobody has to log in to look: an office behind one address leafs through the catalogue together.
CATALOGUE: Final = "20/second; 600/minute"
# Somebody who clicks twice, and a family on a shopping spree; not a program that buys up the stock.
ORDERS: Final = "5/10 seconds; 60/hour"
# All of them come to one worker, which works them off one after another.
IMPORTS: Final = "12/hour"
UNLIMITED_ADMINS: Final = {"admin": None}

# What the shop has never had; who asks for it looks for holes.
SCANNER_PATHS: Final = ("/wp-*", "*.php", "/.env*", "/.git/*", "/cgi-bin/*")


def whole_shop() -> str:
    """The `key` of a limit that all callers share."""
    return "shop"

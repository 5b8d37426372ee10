"""What counts as one address, and lists of addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

IPV4_PREFIX = 32  # bits
IPV6_PREFIX = 64  # bits; what one customer of a provider has
# What some proxies write: an address and the port of its connection.
WITH_PORT = re.compile(r"(?:\[([^\[\]]+)\]|([0-9.]+))(?::[0-9]{1,5})?")


def network_of(address: str | None) -> str:
    """What counts as one address: of IPv6 the /64, since that is what one customer has to vary; what is none, itself.

    A port says nothing of who it is, and of 6to4 (2002::/16) each IPv4 address has a whole /48: it counts as that address.
    """
    parsed = _parsed(_without_port(address or ""))
    if isinstance(parsed, IPv6Address):
        parsed = parsed.sixtofour or parsed
    if parsed is None:
        return address or ""
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, IPV6_PREFIX), strict=False))
    return str(parsed)


def is_address(text: str) -> bool:
    """Whether `text` is an address at all."""
    return _parsed(_without_port(text)) is not None


def read_network(text: str) -> str:
    """`network_of` what somebody has typed: an address, or such a network itself. Raises `ValueError` for others."""
    typed = text.strip()
    address, _, bits = typed.partition("/")
    parsed = _parsed(address)
    wanted = str(IPV6_PREFIX if isinstance(parsed, IPv6Address) else IPV4_PREFIX)
    if parsed is None or bits not in ("", wanted):
        raise ValueError(f"{typed!r} is no address, nor the /{IPV6_PREFIX} of one")
    return network_of(address)


class Networks:
    """Addresses and networks in CIDR notation; raises `ValueError` for a text that is neither."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(
            ip_network(text.strip(), strict=False) for text in texts
        )

    def hold(self, address: str) -> bool:
        """Whether `address` is in one of them, written in whichever way; False for what is no address."""
        parsed = _parsed(_without_port(address)) if self._networks else None
        return parsed is not None and any(
            network.version == parsed.version and parsed in network for network in self._networks
        )

    def meet(self, network: str) -> bool:
        """Whether some address of `network` (see `network_of`) is in one of them."""
        try:
            wanted = ip_network(network)
        except ValueError:
            return False
        return any(wanted.version == own.version and wanted.overlaps(own) for own in self._networks)


def _without_port(address: str) -> str:
    found = WITH_PORT.fullmatch(address)
    return found[1] or found[2] if found else address


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else parsed

"""Ranges of addresses: whether together they are about everybody."""

import ipaddress
from collections.abc import Iterable

__all__ = ["is_open"]

# As many addresses as nobody has alone: the greatest network of one owner is a /8 such as 10.0.0.0/8, or a /16 of IPv6.
_OPEN_IPV4, _OPEN_IPV6 = 2 ** (32 - 7), 2 ** (128 - 15)
# Addresses of IPv6 that are only ever private, or only of one link, of which there are more.
_PRIVATE = (ipaddress.IPv6Network("fc00::/7"), ipaddress.IPv6Network("fe80::/10"))


def is_open(ranges: Iterable[object]) -> bool:
    """Returns whether ranges of addresses hold, together, as many as no single owner has; what is no range holds none.

    However the Internet is cut, a half of it, or all of it but a few addresses, is the Internet.

    >>> is_open(["10.0.0.0/8", "192.168.0.0/16"]), is_open(["0.0.0.0/1"]), is_open(["0::/0"])
    (False, True, True)
    """
    old: list[ipaddress.IPv4Network] = []
    new: list[ipaddress.IPv6Network] = []
    for one in ranges:
        try:
            network = ipaddress.ip_network(str(one), strict=False)
        except ValueError:
            continue
        if isinstance(network, ipaddress.IPv4Network):
            old.append(network)
        elif not any(map(network.subnet_of, _PRIVATE)):
            new.append(network)
    # What overlaps counts once.
    return (
        sum(one.num_addresses for one in ipaddress.collapse_addresses(old)) >= _OPEN_IPV4
        or sum(one.num_addresses for one in ipaddress.collapse_addresses(new)) >= _OPEN_IPV6
    )

"""Which addresses may be connected to: public ones, and networks of the house that its settings name.

By lists of our own, from IANA's registries of special addresses: what the standard library calls global differs between
versions of Python.
"""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from configs.schema import HOME_NETWORKS

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def _networks(*written: str) -> tuple[Network, ...]:
    return tuple(ip_network(each) for each in written)


NEVER = _networks(
    "0.0.0.0/8",  # this host
    "169.254.0.0/16",  # link-local, and the metadata of most clouds
    "100.100.100.200/32",  # metadata, Alibaba
    "168.63.129.16/32",  # the host of a machine in Azure, at a public address
    "192.0.0.0/24",  # protocols, and metadata of Oracle
    "192.0.2.0/24",  # documentation, and two more below
    "198.51.100.0/24",
    "203.0.113.0/24",
    "192.88.99.0/24",  # relays of 6to4
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, broadcast
    "::/128",
    "::/96",  # IPv4 in IPv6, in five ways: compatible, mapped, translated, NAT64, 6to4
    "::ffff:0:0/96",
    "::ffff:0:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "2002::/16",
    "100::/64",  # discarded
    "2001::/23",  # Teredo, ORCHID, benchmarks
    "2001:db8::/32",  # documentation
    "3fff::/20",
    "5f00::/16",  # segment routing
    "fd00:ec2::/32",  # metadata, Amazon
    "fd20:ce::/32",  # metadata, Google
    "fe80::/10",  # link-local
    "fec0::/10",
    "ff00::/8",  # multicast
)
"""Never, whatever is allowed."""
LOOPBACK = ip_network("::1/128")
"""Lies in a network that is never connected to, and is the one address of it that settings may name."""
PUBLIC_V6 = ip_network("2000::/3")
"""All that has been given out of IPv6."""


def is_never(address: Address) -> bool:
    """Tell whether an address is connected to under no settings."""
    return address not in LOOPBACK and _within(address, NEVER)


def is_public(address: Address) -> bool:
    """Tell whether anybody on the internet could be reached at this address."""
    if _within(address, NEVER) or _within(address, HOME_NETWORKS):
        return False
    return isinstance(address, IPv4Address) or address in PUBLIC_V6


def may_connect(address: Address, allowed: Collection[Network]) -> bool:
    """Tell whether an address may be connected to. Of homes (`HOME_NETWORKS`) only where a setting names them.

    Args:
        address: Of a host, as the resolver said it.
        allowed: Networks that are not public and yet may be reached.
    """
    return is_public(address) or (_within(address, allowed) and not is_never(address))


def _within(address: Address, networks: Collection[Network]) -> bool:
    return any(address in network for network in networks)

"""Whom limits count as one neighbour."""

from ipaddress import IPv6Address, ip_address


def network_of(address: str) -> str:
    """An IPv4 address, however it is written, or the /64 of an IPv6 address: one customer has all of it. Other texts stay as they are."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return f"{IPv6Address(int(found) >> 64 << 64)}/64"

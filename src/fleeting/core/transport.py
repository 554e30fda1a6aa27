"""Say what a URL protects by its scheme and host: one rule for all that is fetched or sent."""

import ipaddress


def is_protected(scheme: str, host: str) -> bool:
    """Say whether nobody on the way can read or alter what goes there: https, or http on loopback.

    scheme: in lower case. This does NOT look at user info, port, path or any other part.
    """
    return bool(host) and (scheme == "https" or (scheme == "http" and is_loopback(host)))


def is_loopback(host: str) -> bool:
    """Say whether *host* is this machine itself, by its name or address alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

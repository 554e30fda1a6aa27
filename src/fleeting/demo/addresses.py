"""Where the demo's two servers listen: neighbouring ports on loopback."""

import socket
from dataclasses import dataclass

HOST = "127.0.0.1"
FIRST_PORT = 8400
_LAST_PORT = 8498
_HIGHEST_PORT = 65_534


class PortTakenError(Exception):
    """The demo cannot listen where it should; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The port of the authorization server; the payments API has the next one."""

    port: int

    @property
    def issuer(self) -> str:
        """The authorization server's identifier."""
        return f"http://{HOST}:{self.port}"

    @property
    def resource(self) -> str:
        """The payments API's identifier."""
        return f"http://{HOST}:{self.port + 1}"


def choose_addresses(port: int | None) -> Addresses:
    """Return *port* and the next one, or else the first two neighbours that are free.

    Raises:
        PortTakenError: something else listens there.
    """
    if port is None:
        for candidate in range(FIRST_PORT, _LAST_PORT, 2):
            if _is_free(candidate) and _is_free(candidate + 1):
                return Addresses(candidate)
        raise PortTakenError(f"no two ports are free from {FIRST_PORT} on: name one with --port")
    if not 0 < port <= _HIGHEST_PORT:
        raise PortTakenError(f"--port must be from 1 to {_HIGHEST_PORT}: the next one is used, too")
    for wanted in (port, port + 1):
        if not _is_free(wanted):
            raise PortTakenError(
                f"port {wanted} cannot be used: end what listens there, or name another --port "
                "(that one and the next are used)"
            )
    return Addresses(port)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True

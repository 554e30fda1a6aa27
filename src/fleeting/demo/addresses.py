"""Where the demo's two servers listen: neighbouring ports on loopback."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
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


@contextmanager
def reserved(port: int | None) -> Iterator[Addresses]:
    """Reserve *port* and the next one, or else the first two neighbours that are free.

    No other demo takes them for as long as the block runs, whether they are listened on yet or not.

    Raises:
        PortTakenError: something else listens there.
    """
    if port is not None and not 0 < port <= _HIGHEST_PORT:
        raise PortTakenError(f"--port must be from 1 to {_HIGHEST_PORT}: the next one is used, too")
    with ExitStack() as claims:
        yield _reserve(port, claims) if port is not None else _reserve_any(claims)


def _reserve_any(claims: ExitStack) -> Addresses:
    for port in range(FIRST_PORT, _LAST_PORT, 2):
        try:
            return _reserve(port, claims)
        except PortTakenError:
            continue
    raise PortTakenError(f"no two ports are free from {FIRST_PORT} on: name one with --port")


def _reserve(port: int, claims: ExitStack) -> Addresses:
    with ExitStack() as both:
        for wanted in (port, port + 1):
            try:
                _claim(wanted, both)
            except OSError as error:
                raise PortTakenError(
                    f"port {wanted} cannot be used ({error.strerror}): end what listens there, or "
                    "name another --port (that one and the next are used)"
                ) from None
        claims.push(both.pop_all())
    return Addresses(port)


def _claim(port: int, claims: ExitStack) -> None:
    """Find out whether a server could listen, and keep other demos from finding the same.

    The datagram socket of that number is the sign between demos: nobody else wants it, only one can
    have it, and it goes with the process.
    """
    sign = claims.enter_context(closing(socket.socket(type=socket.SOCK_DGRAM)))
    sign.bind((HOST, port))
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
        probe.bind((HOST, port))

"""The demo's servers: real processes, waited for within bounds, and always ended."""

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from fleeting.demo.endings import Endings

_READY_SECONDS = 30.0
_STOP_SECONDS = 10.0
_PAUSE_SECONDS = 0.05
_TAIL_LINES = 15
_OK = 200


class ServerFailedError(Exception):
    """A server ended or did not get ready; the message carries the end of its log."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server: its name for people, its process, where it says that it is ready, its log."""

    name: str
    process: subprocess.Popen[bytes]
    ready_url: str
    log: Path

    def await_ready(self) -> None:
        """Return once it is ready.

        Raises:
            ServerFailedError: it ended, or is not ready in time.
        """
        until = time.monotonic() + _READY_SECONDS
        with httpx.Client(trust_env=False, timeout=1) as http:
            while not self._is_ready(http):
                self.check_alive()
                if time.monotonic() > until:
                    raise self._failure(f"was not ready within {_READY_SECONDS:.0f} seconds")
                time.sleep(_PAUSE_SECONDS)
        self.check_alive()  # what answered might have been another server on that port

    def _is_ready(self, http: httpx.Client) -> bool:
        try:
            return http.get(self.ready_url).status_code == _OK
        except httpx.HTTPError:
            return False

    def check_alive(self) -> None:
        """Raise if the process has ended.

        Raises:
            ServerFailedError: it has.
        """
        code = self.process.poll()
        if code is not None:
            raise self._failure(f"ended with exit code {code}")

    def _failure(self, what: str) -> ServerFailedError:
        return ServerFailedError(f"the {self.name} {what}; the end of its log:\n{self.tail()}")

    def tail(self) -> str:
        """Return the end of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_TAIL_LINES:]) or "(it is empty)"

    def stop(self) -> None:
        """End the process: SIGTERM, and SIGKILL where that does not do."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def running(
    name: str,
    command: Sequence[str],
    *,
    ready_url: str,
    log: Path,
    endings: Endings,
    environment: Mapping[str, str],
) -> Iterator[Server]:
    """Run a server until the block ends, however it does.

    It has a session of its own, so that Ctrl-C in a terminal reaches the demo alone, which ends it.
    """
    server: Server | None = None
    try:
        with log.open("wb") as output, endings.held():
            process = subprocess.Popen(  # noqa: S603 -- a command of our own
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
            server = Server(name, process, ready_url, log)
        yield server
    finally:
        if server is not None:
            with endings.held():
                server.stop()

"""Serve a stand-in on real HTTP, in a thread of its own."""

import asyncio
import socket
import threading
import time

import uvicorn

from tests.client.standins import StandIn


class Running:
    """A server in a thread of its own, on a port that the system chose."""

    def __init__(self, standin: StandIn, listening: socket.socket) -> None:
        self._socket = listening
        config = uvicorn.Config(
            standin.app(), log_level="error", lifespan="off", ws="none", loop="asyncio"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    def __enter__(self):
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        return self

    def __exit__(self, *_) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()


def listening_socket() -> tuple[socket.socket, str]:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    return listening, f"http://127.0.0.1:{listening.getsockname()[1]}"

"""The stand-in issuer on real HTTP, guards that ask it, and clients of guarded applications."""

import threading
import time

import httpx
import pytest
import uvicorn

from fleeting.resource import Guard
from tests.resource.stand_in import RESOURCE, TYPES, Caller, StandInIssuer


@pytest.fixture(scope="session")
def issuer_server():
    server = uvicorn.Server(
        uvicorn.Config("unused", port=0, ws="none", lifespan="off", log_level="critical")
    )
    socket = server.config.bind_socket()
    issuer = StandInIssuer(socket.getsockname()[1])
    server.config.app = issuer.app()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield issuer
    server.should_exit = True
    thread.join(5)
    socket.close()


@pytest.fixture
def issuer(issuer_server):
    issuer_server.reset()
    return issuer_server


@pytest.fixture
def caller():
    return Caller()


@pytest.fixture
async def make_guard(issuer):
    guards = []

    def make(**settings) -> Guard:
        defaults = {
            "issuer": issuer.url,
            "resource": RESOURCE,
            "types": TYPES,
            "scopes": ("payments:read",),
            "client_id": "payments-api",
        }
        if not {"key", "secret"} & settings.keys():
            defaults["secret"] = "long & generated: 0123456789"
        guards.append(Guard(**{**defaults, **settings}))
        return guards[-1]

    yield make
    for guard in guards:
        await guard.aclose()


@pytest.fixture
async def guard(make_guard):
    return make_guard()


@pytest.fixture
def client_of():
    def client(app, **settings) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app, **settings)
        return httpx.AsyncClient(transport=transport, base_url=RESOURCE)

    return client

"""One issuer and two resources on real HTTP for all tests here, fresh for each of them."""

import hashlib

import pytest

from fleeting.client import JustInTime, TokenClient
from fleeting.core.jose import KeySet
from tests.client.serving import Running, listening_socket
from tests.client.standins import (
    StandInIssuer,
    StandInResource,
    new_key,
    private_jwk,
    reset,
)

SECRET = "a long secret: with/odd+characters & more"
KEY = new_key()


@pytest.fixture(scope="session")
def servers():
    sockets = [listening_socket() for _ in range(4)]
    issuer, rogue = (StandInIssuer(url) for _, url in sockets[:2])
    api, other_api = (StandInResource(url, issuer=issuer) for _, url in sockets[2:])
    standins = (issuer, rogue, api, other_api)
    running = [Running(standin, sock) for standin, (sock, _) in zip(standins, sockets, strict=True)]
    for server in running:
        server.__enter__()
    yield standins
    for server in running:
        server.__exit__()


@pytest.fixture(autouse=True)
def fresh(servers):
    for standin in servers:
        reset(standin)
    issuer, rogue, api, _ = servers
    for party in (issuer, rogue):
        party.register("support-bot", KEY)
        party.register("basic-bot", sha256=hashlib.sha256(SECRET.encode()).digest())
    issuer.resource_keys[api.url] = KeySet((api.key.public(),))


@pytest.fixture
def issuer(servers):
    return servers[0]


@pytest.fixture
def rogue(servers):
    return servers[1]


@pytest.fixture
def api(servers):
    return servers[2]


@pytest.fixture
def other_api(servers):
    return servers[3]


@pytest.fixture
def jit(issuer):
    return JustInTime(issuer.url, "support-bot", private_jwk(KEY))


@pytest.fixture
def tokens(issuer):
    return TokenClient(issuer.url, "support-bot", private_jwk(KEY))

"""Run an example installation as it stands, in this process, and ask it as its README does."""

import base64
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from fleeting.core.authzen import EVALUATION_PATH, EVALUATIONS_PATH
from fleeting.server.app import app_of
from fleeting.server.housekeeping import life
from fleeting.server.settings import load_settings
from fleeting.server.signing_keys import create_key
from fleeting.server.wiring import build_worker
from tests.simulator import loopback

EXAMPLES = Path(__file__).parents[2] / "examples"


class Asked:
    """A running example, and its enforcement point's credentials."""

    def __init__(self, http: httpx.AsyncClient, issuer: str, client_id: str, secret: str) -> None:
        self.http, self.issuer = http, issuer
        self.basic = base64.b64encode(f"{client_id}:{secret}".encode()).decode()

    async def post(self, path: str, body, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        own = {"Content-Type": "application/json", "Authorization": f"Basic {self.basic}"}
        return await self.http.post(self.issuer + path, content=content, headers=own | headers)

    async def evaluate(self, body) -> bool:
        answer = await self.post(EVALUATION_PATH, body)
        assert answer.status_code == 200, answer.text
        return answer.json()["decision"]

    async def evaluate_all(self, body) -> list[bool]:
        answer = await self.post(EVALUATIONS_PATH, body)
        assert answer.status_code == 200, answer.text
        return [each["decision"] for each in answer.json()["evaluations"]]


@asynccontextmanager
async def running(name: str, client_id: str, directory: Path) -> AsyncIterator[Asked]:
    """Serve a copy of ``examples/NAME``; its secret is the one that its settings tell."""
    here = shutil.copytree(EXAMPLES / name, directory / name)
    config = here / "fleeting.toml"
    create_key(here / "keys" / "signing", datetime.now(UTC) - timedelta(hours=1))
    settings = load_settings(config, {"FLEETING_DATABASE": "memory://"})
    worker = build_worker(settings, http=loopback())
    secret = next(
        line.split()[4].strip(".")
        for line in config.read_text().splitlines()
        if line.startswith("# Its secret is ")
    )
    async with (
        life(worker),
        httpx.AsyncClient(transport=httpx.ASGITransport(app_of(worker))) as http,
    ):
        yield Asked(http, settings.issuer, client_id, secret)


@pytest.fixture
async def todo(tmp_path):
    async with running("authzen-todo", "todo-app", tmp_path) as asked:
        yield asked


@pytest.fixture
async def gateway(tmp_path):
    async with running("authzen-gateway", "api-gateway", tmp_path) as asked:
        yield asked


@pytest.fixture
async def records(tmp_path):
    async with running("authzen-certification", "records-app", tmp_path) as asked:
        yield asked

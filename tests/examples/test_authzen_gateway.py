"""The example decides as the public interoperability scenario has it, each single decision."""

import json
from pathlib import Path

TABLE = json.loads(Path(__file__).with_name("authzen_gateway.json").read_text())


def request(who, method, route):
    return {
        "subject": {"type": "identity", "id": TABLE["subjects"][who]},
        "action": {"name": method},
        "resource": {"type": "route", "id": route},
        "context": {},
    }


async def test_every_published_decision_is_made(gateway):
    assert len(TABLE["evaluation"]) == 25
    for *asked, expected in TABLE["evaluation"]:
        assert await gateway.evaluate(request(*asked)) is expected, asked


async def test_what_gateways_say_beside_is_ignored(gateway):
    asked = request("morty", "PUT", "/todos/{todoId}")
    asked["resource"]["properties"] = {"uri": "http://todo.example.com/todos/7", "schema": "http"}
    asked["context"] = {"headers": {"user-agent": "x"}}
    assert await gateway.evaluate(asked)


async def test_another_route_or_method_is_denied(gateway):
    assert not await gateway.evaluate(request("rick", "POST", "/admin"))
    assert not await gateway.evaluate(request("rick", "PATCH", "/todos"))

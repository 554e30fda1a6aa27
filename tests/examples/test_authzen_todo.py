"""The example decides as the public interoperability scenario has it, each single decision."""

import json
from pathlib import Path

TABLE = json.loads(Path(__file__).with_name("authzen_todo.json").read_text())


def subject(who):
    return {"type": "user", "id": TABLE["subjects"][who]}


def resource(id_, owner, type_="todo"):
    properties = {} if owner is None else {"properties": {"ownerID": owner}}
    return {"type": type_, "id": id_, **properties}


def request(who, action, id_, owner):
    type_ = "user" if action == "can_read_user" else "todo"
    return {
        "subject": subject(who),
        "action": {"name": action},
        "resource": resource(id_, owner, type_),
    }


async def test_every_published_decision_is_made(todo):
    assert len(TABLE["evaluation"]) == 40
    for *asked, expected in TABLE["evaluation"]:
        assert await todo.evaluate(request(*asked)) is expected, asked


async def test_all_of_them_in_one_request(todo):
    asked = [request(*each[:-1]) for each in TABLE["evaluation"]]
    expected = [each[-1] for each in TABLE["evaluation"]]
    assert await todo.evaluate_all({"evaluations": asked}) == expected


async def test_every_published_list_of_decisions_is_made(todo):
    for who, action, owned, expected in TABLE["evaluations"]:
        body = {
            "subject": subject(who),
            "action": {"name": action},
            "evaluations": [{"resource": resource(*each)} for each in owned],
        }
        assert await todo.evaluate_all(body) == expected


async def test_a_viewer_is_told_why(todo):
    asked = request("beth", "can_create_todo", "todo-1", None)
    answer = await todo.post("/access/v1/evaluation", asked)
    reason = {"403": "viewers read the list, and change nothing on it"}
    assert answer.json()["context"]["reason_user"] == reason

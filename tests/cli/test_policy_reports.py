import json
import re

import pytest

from fleeting.cli.policy_reports import from_root, github, sarif
from fleeting.policy import Problem
from fleeting.policy.problems import Severity
from fleeting.policy.rules import ERRORS, WARNINGS

EVIL = "a\n::error::b\r%0A, c: d\x1b[31m\u2028::set-output name=x::y"


def problem(message="m", *, file="policies/a.cedar", hint="", rule="syntax", **more):
    return Problem(file, 2, 3, message, hint, "", rule, **more)


def test_a_workflow_command_says_where_and_what():
    found = problem("wrong", hint="right", rule="look-alike", severity=Severity.WARNING)
    assert [*github([found], {"policies/a.cedar": "x\n  word;"})] == [
        (
            "::warning file=policies/a.cedar,line=2,col=3,endColumn=7,title=fleeting look-alike"
            "::wrong (right)"
        )
    ]


def test_no_text_of_a_policy_can_give_a_command_of_its_own():
    found = problem(EVIL, file=f"policies/{EVIL}.cedar", hint=EVIL)
    (command,) = github([found], {})
    assert command.isprintable()
    assert command.startswith("::error file=policies/")
    properties, _, message = command.removeprefix("::error ").partition("::")
    assert [each.partition("=")[0] for each in properties.split(",")] == [
        *("file", "line", "col", "endColumn", "title")
    ]
    assert "\\u000a::error::b" in message
    assert "%250A" in message


@pytest.mark.parametrize("variable", ["", "/workspace"])
def test_files_are_named_from_the_root_of_the_repository(monkeypatch, tmp_path, variable):
    monkeypatch.setenv("GITHUB_WORKSPACE", variable and str(tmp_path))
    assert from_root(str(tmp_path / "policies" / "a.cedar")) == "policies/a.cedar"
    assert from_root("policies/a.cedar") == "policies/a.cedar"
    outside = str(tmp_path.parent / "other.cedar")
    assert from_root(outside) == outside


def test_a_sarif_log_has_the_shape_that_readers_ask_for(tmp_path):
    problems = [
        problem("wrong", hint="right"),
        problem("w", file="policies/a b.cedar", rule="look-alike", severity=Severity.WARNING),
        problem("w", file=str(tmp_path.parent / "o.cedar"), rule="schema"),
    ]
    log = json.loads(json.dumps(sarif(problems, {"policies/a.cedar": 'x\n  "ab";'})))
    assert log["version"] == "2.1.0"
    assert re.fullmatch(r"https://.*sarif.*2\.1\.0\.json", log["$schema"])
    (run,) = log["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [*ERRORS, *WARNINGS]
    assert all(rule["shortDescription"]["text"] and rule["help"]["text"] for rule in rules)
    assert not any("](" in rule["help"]["text"] for rule in rules)
    for result, found in zip(run["results"], problems, strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == found.rule
        assert result["level"] in ("error", "warning")
    first = run["results"][0]
    assert first["message"] == {"text": "wrong (right)"}
    (location,) = first["locations"]
    place = location["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "policies/a.cedar", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 2, "startColumn": 3, "endColumn": 7}
    uris = [
        each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for each in run["results"]
    ]
    assert uris[1] == "policies/a%20b.cedar"
    assert uris[2].startswith("file:///")

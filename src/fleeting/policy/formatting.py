"""Format policies as the Cedar editor extension does, and never change what they mean."""

import json
import re

import cedarpy

from fleeting.policy.parsing import parse_policy
from fleeting.policy.problems import PolicyProblems, PolicySource, Problem
from fleeting.policy.scanner import PolicyText, split_policies
from fleeting.policy.schema import PolicyWorld
from fleeting.policy.tree import Node

WIDTH = 80
INDENT = 2
"""What the editor extension takes where nothing else is set."""

_NOWHERE = PolicyWorld(types={})
_TOKEN_OR_COMMENT = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*', re.DOTALL)


def format_source(source: PolicySource) -> str:
    """Return the text of *source*, formatted policy by policy.

    Comments and single blank lines between policies stay as they are. A policy stays as it is
    where the formatter would change what it means or lose a comment.

    Raises:
        PolicyProblems: a policy has a syntax error.
    """
    pieces: list[str] = []
    problems: list[Problem] = []
    end = 0
    for policy in split_policies(source):
        before = source.text[end : policy.start]
        pieces.append(_between(before) if end else _lines(before).lstrip("\n"))
        end = policy.start + len(policy.text)
        parsed = parse_policy(policy, _NOWHERE)
        if isinstance(parsed, Problem):
            problems.append(parsed)
        else:
            pieces.append(_format_policy(policy))
    if problems:
        raise PolicyProblems(problems)
    last = source.text[end:]
    text = "".join([*pieces, _between(last) if end else _lines(last)]).strip("\n")
    return f"{text}\n" if text else ""


def _format_policy(policy: PolicyText) -> str:
    formatted = cedarpy.format_policies(policy.text, line_width=WIDTH, indent_width=INDENT).strip()
    same = _meaning(formatted) == _meaning(policy.text)
    return formatted if same and _comments(formatted) == _comments(policy.text) else policy.text


def _meaning(text: str) -> Node:
    return json.loads(cedarpy.policies_to_json_str(text))


def _comments(text: str) -> list[str]:
    """Return the comments in *text*, in their order; `//` within a string is none."""
    found = (each[0].rstrip() for each in _TOKEN_OR_COMMENT.finditer(text))
    return [each for each in found if each.startswith("//")]


def _between(text: str) -> str:
    """Return what stands between two policies, its comments where they were."""
    same_line, _, rest = text.partition("\n")
    trailing = f" {same_line.strip()}" if same_line.strip() else ""
    return f"{trailing}{_lines(chr(10) + rest)}" if rest.strip() else f"{trailing}\n\n"


def _lines(text: str) -> str:
    """Return *text*, comments and blanks, without margins and with single blank lines."""
    lines = "\n".join(line.strip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", lines)

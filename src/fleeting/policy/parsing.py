"""Parse policies one by one, so that every one's errors are found, each at its place."""

import json
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cedarpy

from fleeting.policy.annotations import Annotations, parse_annotations
from fleeting.policy.forms import Parse
from fleeting.policy.hints import explain, locate
from fleeting.policy.lint import lint
from fleeting.policy.problems import Problem
from fleeting.policy.rules import ANNOTATION, PITFALL, SCHEMA
from fleeting.policy.scanner import PolicyText, Token
from fleeting.policy.schema import PolicyWorld
from fleeting.policy.tree import Effect, Node, Reads, read

_TOO_DEEP = "this policy is nested too deeply; split it, or use a set and .contains()"
_BAD_TOKEN = ("unexpected token", "invalid token")


@dataclass(frozen=True, slots=True)
class ParsedPolicy:
    """One policy whose syntax is right; problems: what else is wrong with it."""

    text: PolicyText
    node: Node
    effect: Effect
    annotations: Annotations
    reads: Reads
    problems: tuple[Problem, ...]


def parse_text(text: str) -> Node | str:
    """Return Cedar's JSON form of *text*, or what the engine says is wrong with it."""
    try:
        return json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        return str(error)
    except RecursionError:
        return _TOO_DEEP


def parse_policy(
    text: PolicyText, world: PolicyWorld, parse: Parse = parse_text
) -> ParsedPolicy | Problem:
    """Return the one policy in *text*, with all that we forbid ourselves; or its syntax error.

    parse: a quicker way to the same as ``parse_text``, where many policies are parsed.
    """
    too_deep = text.find_too_deep()
    if too_deep is not None:  # looked at first: parsing it could end the process
        return text.problem(_TOO_DEEP, at=too_deep)
    parsed = parse(text.text)
    if isinstance(parsed, str):
        return _syntax_problem(text, parsed, world)
    if parsed["templates"]:
        slot = text.find("?")
        hint = "name the principal or the resource, or use a group"
        return text.problem("templates are not supported", hint, at=slot)
    node = next(iter(parsed["staticPolicies"].values()))
    effect = Effect(node["effect"])
    annotations, faults = parse_annotations(node.get("annotations", {}), effect)
    id_ = annotations.id
    problems = [
        text.problem(
            fault.message,
            fault.hint,
            at=text.find_annotation(fault.name),
            policy=id_,
            rule=ANNOTATION,
        )
        for fault in faults
    ]
    reads = read(node)
    problems += (
        text.problem(message, pointer.hint, at=locate(text, pointer), policy=id_, rule=PITFALL)
        for message, pointer in lint(node, reads, effect, world)
    )
    return ParsedPolicy(text, node, effect, annotations, reads, tuple(problems))


# Syntax errors: the engine names the token, but not which one of those that look alike.


def _syntax_problem(text: PolicyText, message: str, world: PolicyWorld) -> Problem:
    if text.tokens[-1].text != ";":
        hint = "a policy ends with a semicolon"
        return text.problem(message, hint, at=text.tokens[-1].start)
    if message.startswith(_BAD_TOKEN):
        return text.problem(message, at=_first_bad_token(text))
    pointer = explain(message, world)
    return text.problem(message, pointer.hint, at=locate(text, pointer))


def _first_bad_token(text: PolicyText) -> int:
    """Return where the text stops being the beginning of any policy."""

    def ends_badly(token: Token) -> bool:
        parsed = parse_text(text.text[: token.start + len(token.text)])
        return isinstance(parsed, str) and parsed.startswith(_BAD_TOKEN)

    return text.tokens[bisect_left(text.tokens, x=True, key=ends_badly)].start


# Validation: against the schema, several policies at once.


def validate(
    policies: Sequence[ParsedPolicy], schema: cedarpy.Schema, world: PolicyWorld
) -> list[Problem]:
    """Return every error that the Cedar validator finds in *policies*."""
    text = "\n".join(policy.text.text for policy in policies)
    messages: dict[int, list[str]] = {}
    for error in cedarpy.validate_policies(text, schema).errors:
        place = int(error.policy_id.removeprefix("policy"))
        said = error.error.removeprefix(f"for policy `{error.policy_id}`, ")
        messages.setdefault(place, []).append(said)
    return [
        problem
        for place, said in messages.items()
        for problem in _validation_problems(policies[place], said, world)
    ]


def _validation_problems(
    policy: ParsedPolicy, messages: list[str], world: PolicyWorld
) -> Iterable[Problem]:
    if any(message.startswith("unrecognized") for message in messages):
        # Then no action applies either, which says nothing new.
        messages = [each for each in messages if not each.startswith("unable to find an appl")]
    found: dict[tuple[int | None, str], Problem] = {}
    for number, message in enumerate(messages):
        pointer = explain(message, world)
        at = policy.text.find(pointer.word, nth=messages[:number].count(message))
        defect = (at, pointer.hint if pointer.word else message)
        # One misspelt word may be an error for each action and each type of principal.
        found.setdefault(
            defect,
            policy.text.problem(
                message, pointer.hint, at=at, policy=policy.annotations.id, rule=SCHEMA
            ),
        )
    return found.values()

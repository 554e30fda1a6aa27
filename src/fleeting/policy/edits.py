"""Change single words of a policy's text, and leave all the rest as people wrote it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from fleeting.policy.problems import PolicySource
from fleeting.policy.scanner import PolicyText, split_policies
from fleeting.policy.tree import Node
from fleeting.policy.usage import Number

_UPPER = {"<=", "<", "lessThanOrEqual", "lessThan"}
_LOWER = {">=", ">", "greaterThanOrEqual", "greaterThan"}
_STRICT = {"<", ">", "lessThan", "greaterThan"}


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement in a file: what stands from *start* to *end* becomes *text*."""

    file: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Bound:
    """A comparison that has to hold wherever the policy is satisfied: ``field <= value``.

    upper: it says the most, not the least. strict: the value itself is outside.
    words: as written. start, end: where the value stands in the policy's text.
    """

    field: str
    upper: bool
    strict: bool
    value: Number
    words: str
    start: int
    end: int


def apply(sources: Iterable[PolicySource], edits: Iterable[Edit]) -> list[PolicySource]:
    """Return *sources* with *edits*, none of which touches another."""
    wanted = sorted(edits, key=lambda edit: edit.start, reverse=True)
    changed: list[PolicySource] = []
    for source in sources:
        text = source.text
        for edit in wanted:
            if edit.file == source.name:
                text = text[: edit.start] + edit.text + text[edit.end :]
        changed.append(PolicySource(source.name, text))
    return changed


def texts_by_id(sources: Iterable[PolicySource]) -> Mapping[str, PolicyText]:
    """Return every policy's text by its ``@id``."""
    found: dict[str, PolicyText] = {}
    for source in sources:
        for text in split_policies(source):
            place = _annotation(text, "id")
            if place is not None:
                found[text.tokens[place].text[1:-1]] = text
    return found


def _annotation(text: PolicyText, name: str) -> int | None:
    """Return which token is the value of the annotation *name*: the string in ``@name("…")``."""
    tokens = text.tokens
    for place in range(len(tokens) - 4):
        if [tokens[place].text, tokens[place + 1].text] == ["@", name]:
            return place + 3
    return None


def set_annotation(text: PolicyText, name: str, value: str) -> Edit:
    """Return what makes the annotation *name* say *value*; a new one stands after the ``@id``."""
    place = _annotation(text, name)
    if place is not None:
        return _replacement(text, place, place, f'"{value}"')
    at = _annotation(text, "id")
    assert at is not None  # noqa: S101 -- every loaded policy has one
    end = text.start + text.tokens[at + 1].start + 1
    return Edit(text.source.name, end, end, f' @{name}("{value}")')


def annotation_words(text: PolicyText, name: str) -> str:
    """Return an annotation as written, "" where there is none."""
    place = _annotation(text, name)
    return "" if place is None else f"@{name}({text.tokens[place].text})"


def _replacement(text: PolicyText, first: int, last: int, words: str) -> Edit:
    start, end = text.tokens[first].start, text.tokens[last]
    return Edit(text.source.name, text.start + start, text.start + end.start + len(end.text), words)


def removal(text: PolicyText) -> Edit:
    """Return what takes a policy out, with the comment on top of it and the empty line below."""
    whole = text.source.text
    start, end = text.start, text.start + len(text.text)
    start = (
        whole.rfind("\n", 0, start) + 1 if not whole[:start].rpartition("\n")[2].strip() else start
    )
    while (above := whole[:start].splitlines(keepends=True)) and above[-1].startswith("//"):
        start -= len(above[-1])
    for _ in range(2):
        end += whole.startswith("\n", end)
    return Edit(text.source.name, start, end, "")


def scope_actions(text: PolicyText, actions: Iterable[str]) -> tuple[Edit, str]:
    """Return what narrows the scope of a policy to *actions*, and how its scope says it now."""
    names = [f'Action::"{each}"' for each in sorted(actions)]
    words = f"action == {names[0]}" if len(names) == 1 else f"action in [{', '.join(names)}]"
    first, last = _scope_part(text)
    edit = _replacement(text, first, last, words)
    end = text.tokens[last]
    return edit, text.text[text.tokens[first].start : end.start + len(end.text)]


def _scope_part(text: PolicyText) -> tuple[int, int]:
    """Return the first and the last token of the ``action`` part of the scope."""
    tokens = [token.text for token in text.tokens]
    first = tokens.index("action")
    depth = 0
    for place in range(first, len(tokens)):
        depth += (tokens[place] == "[") - (tokens[place] == "]")
        if tokens[place] == "," and depth == 0:
            return first, place - 1
    raise ValueError("a scope has three parts")


# Bounds: what is certain of them is in the tree, where they stand is in the text.


def bounds(text: PolicyText, node: Node) -> list[Bound]:
    """Return the bounds of numbers of the operation that *node*, parsed from *text*, sets.

    Only comparisons that must hold, and that are written down once, so that the text is sure.
    """
    found = [each for each in _required(node) if each is not None]
    written = list(_written(text))
    return [
        bound
        for bound in written
        if [(b.field, b.upper, b.strict, b.value) for b in written].count(_key(bound)) == 1
        and found.count(_key(bound)) == 1
    ]


def _key(bound: Bound) -> tuple[str, bool, bool, Number]:
    return bound.field, bound.upper, bound.strict, bound.value


def _required(node: Node) -> Iterator[tuple[str, bool, bool, Number] | None]:
    """Yield what must hold of numbers: the conjuncts of every ``when``."""
    waiting = [each["body"] for each in node["conditions"] if each["kind"] == "when"]
    while waiting:
        body = waiting.pop()
        if "&&" in body:
            waiting += [body["&&"]["left"], body["&&"]["right"]]
        else:
            yield _comparison(body)


def _comparison(body: Node) -> tuple[str, bool, bool, Number] | None:
    ((operator, operands),) = body.items()
    if operator not in _UPPER | _LOWER:
        return None
    left, right = operands if isinstance(operands, list) else (operands["left"], operands["right"])
    name, value = _field(left), _number(right)
    upper = operator in _UPPER
    if name is None or value is None:
        name, value, upper = _field(right), _number(left), not upper
    if name is None or value is None:
        return None
    return name, upper, operator in _STRICT, value


def _field(node: Node) -> str | None:
    """Return ``amount`` for ``context.operation.amount``."""
    match node:
        case {
            ".": {"left": {".": {"left": {"Var": "context"}, "attr": "operation"}}, "attr": name}
        }:
            return str(name)
    return None


def _number(node: Node) -> Number | None:
    match node:
        case {"Value": int(value)} if not isinstance(value, bool):
            return value
        case {"decimal": [{"Value": str(written)}]}:
            return Decimal(written)
    return None


def _written(text: PolicyText) -> Iterator[Bound]:
    """Yield every ``context.operation.field <= value`` in the text, whatever it stands in."""
    tokens = [token.text for token in text.tokens]
    for place in range(len(tokens) - 6):
        if tokens[place : place + 4] != ["context", ".", "operation", "."]:
            continue
        name, after = tokens[place + 4], place + 5
        if tokens[after] in _UPPER | _LOWER and tokens[after + 1].isdecimal():
            yield _bound(text, name, tokens[after], place, after + 1)
        elif tokens[after] == "." and tokens[after + 2 : after + 5] == ["(", "decimal", "("]:
            yield _bound(text, name, tokens[after + 1], place, after + 5)
        if tokens[place - 1] in _UPPER | _LOWER and tokens[place - 2].isdecimal():
            yield _bound(text, name, tokens[place - 1], place + 4, place - 2, turned=True)


def _bound(
    text: PolicyText, name: str, operator: str, other: int, place: int, *, turned: bool = False
) -> Bound:
    """Return the bound whose value is the token at *place*; *other* is its other end."""
    token = text.tokens[place]
    first, last = sorted((place, other))
    end = text.tokens[last].start + len(text.tokens[last].text)
    end += 2 if token.text.startswith('"') else 0
    value = Decimal(token.text[1:-1]) if token.text.startswith('"') else int(token.text)
    return Bound(
        name,
        upper=(operator in _UPPER) is not turned,
        strict=operator in _STRICT,
        value=value,
        words=text.text[text.tokens[first].start : end],
        start=token.start,
        end=token.start + len(token.text),
    )


def set_bound(text: PolicyText, bound: Bound, value: Number) -> Edit:
    """Return what makes *bound* say *value*."""
    words = f'"{value:.4f}"' if isinstance(value, Decimal) else f"{value}"
    start = text.start + bound.start
    return Edit(text.source.name, start, text.start + bound.end, words)

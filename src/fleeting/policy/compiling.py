"""Compile policies: from Cedar's tree to one Python function of the facts (DESIGN D1).

Python code is written from a closed table of operators, from numbers, truth values and quoted
strings, and from names that this file makes; no builtin can be reached from it. Every expression
has a kind, found from the declared types and not from what the validator promised: where an
operator does not take those kinds, or a node is not known, the policy is not compiled at all and
the Cedar engine evaluates it, as it does for what is nested too deeply for Python's own compiler.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from fleeting.policy.cedar_values import Entity, address, decimal, duration, moment
from fleeting.policy.facts import Facts
from fleeting.policy.kinds import (
    BOOL,
    DATETIME,
    DECIMAL,
    DURATION,
    ENTITY,
    IP,
    LONG,
    NEVER,
    STRING,
    Kind,
    Sort,
)
from fleeting.policy.native_facts import Native
from fleeting.policy.operators import form_of
from fleeting.policy.python_code import Code, Names, NotCompilable
from fleeting.policy.schema import PolicyWorld
from fleeting.policy.tree import Node, context_path

Holds: TypeAlias = Callable[[Facts, Entity], bool]
"""Says whether a policy's conditions hold for facts and an action.

Raises:
    EvaluationError: Cedar's evaluation would err.
"""

DEEPEST = 40
"""How many expressions may stand in each other; chains of `&&` and `||` are flat."""

_CONSTRUCTORS: Mapping[str, tuple[Kind, Callable[[str], Native]]] = {
    "decimal": (DECIMAL, decimal),
    "datetime": (DATETIME, moment),
    "duration": (DURATION, duration),
    "ip": (IP, address),
}
_VARIABLES = {"principal": "principal(F)", "action": "A", "resource": "resource(F)"}
_PRINCIPAL = {"Var": "principal"}
_CHAINS = {"&&": (" and ", "False"), "||": (" or ", "True")}


def compile_policy(node: Node, world: PolicyWorld, type_name: str) -> Holds:
    """Return whether the conditions of the policy *node* hold, for actions of *type_name*.

    This does NOT look at its scope: that is ``slicing``'s.

    Raises:
        NotCompilable: something in it is not known here.
    """
    return _Compiler(Names(world, type_name)).compile(node["conditions"])


class _Compiler:
    """One policy on its way to Python."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._depth = 0

    def compile(self, conditions: Sequence[Node]) -> Holds:
        try:
            parts = [self._condition(each) for each in conditions]
            code = compile(f"lambda F, A: {' and '.join(parts) or 'True'}", "<policy>", "eval")
        except (SyntaxError, MemoryError, RecursionError) as error:
            raise NotCompilable(f"too much for Python: {error}") from error
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            raise NotCompilable(f"a shape that is not known here: {error!r}") from error
        holds: Holds = eval(code, self._names.values)  # noqa: S307 -- code of ours alone, see above
        return holds

    def _condition(self, condition: Node) -> str:
        code = self._boolean(condition["body"])
        return code if condition["kind"] == "when" else f"(not {code})"

    def _boolean(self, node: Node) -> str:
        code = self._expression(node)
        if code.kind not in (BOOL, NEVER):
            raise NotCompilable(f"{code.kind.sort.name} where a truth value is needed")
        return code.text

    def _expression(self, node: Node) -> Code:
        self._depth += 1
        if self._depth > DEEPEST:
            raise NotCompilable("nested too deeply")
        ((operator, operands),) = node.items()
        if operator in _SPECIAL:
            code = _SPECIAL[operator](self, operands)
        elif operator in _CHAINS:
            code = self._chain(operator, operands)
        elif operator in _CONSTRUCTORS:
            code = self._constructor(operator, operands)
        else:
            code = self._operation(operator, operands)
        self._depth -= 1
        return code

    def _operation(self, operator: str, operands: Node) -> Code:
        """Return an operation that evaluates all its operands."""
        codes = [self._expression(each) for each in _ordered(operands)]
        erring = next((code for code in codes if code.kind is NEVER), None)
        if erring is not None:
            return erring
        form = form_of(operator, [code.kind for code in codes])
        if form is None:
            kinds = ", ".join(code.kind.sort.name for code in codes)
            raise NotCompilable(f"`{operator}` of {kinds}")
        return Code(form.code.format(*[code.text for code in codes]), form.gives)

    # What is special: literals, variables, what does not evaluate all its operands.

    def value(self, value: Node) -> Code:
        if isinstance(value, bool):
            return Code(repr(value), BOOL)
        if isinstance(value, int):
            return Code(f"({value!r})", LONG)
        if isinstance(value, str):
            return Code(repr(value), STRING)
        entity = value["__entity"]
        return Code(self._names.constant((entity["type"], entity["id"])), ENTITY)

    def variable(self, name: str) -> Code:
        if name not in _VARIABLES:
            raise NotCompilable(f"`{name}` as a whole")
        return Code(_VARIABLES[name], ENTITY)

    def _constructor(self, function: str, operands: Node) -> Code:
        kind, parse = _CONSTRUCTORS[function]
        return Code(self._names.constant(parse(operands[0]["Value"])), kind)

    def _chain(self, operator: str, operands: Node) -> Code:
        joined, end = _CHAINS[operator]
        parts: list[str] = []
        for node in _links(operator, operands):
            parts.append(self._boolean(node))
            if parts[-1] == end:
                break  # what follows is never evaluated, whatever it is
        return Code(f"({joined.join(parts)})" if len(parts) > 1 else parts[0], BOOL)

    def choice(self, operands: Node) -> Code:
        condition = self._boolean(operands["if"])
        then, other = self._expression(operands["then"]), self._expression(operands["else"])
        if then.kind != other.kind and NEVER not in (then.kind, other.kind):
            raise NotCompilable(f"{then.kind.sort.name} or else {other.kind.sort.name}")
        kind = other.kind if then.kind is NEVER else then.kind
        return Code(f"({then.text} if {condition} else {other.text})", kind)

    def set(self, elements: Sequence[Node]) -> Code:
        codes = [self._expression(each) for each in elements]
        kinds = {code.kind for code in codes}
        if len(kinds) != 1 or NEVER in kinds:
            raise NotCompilable("a set that is empty or of several kinds")
        text = f"frozenset(({', '.join(code.text for code in codes)},))"
        return Code(text, Kind(Sort.SET, codes[0].kind))

    def record(self, fields: Mapping[str, Node]) -> Code:
        codes = {name: self._expression(node) for name, node in sorted(fields.items())}
        if any(code.kind is NEVER for code in codes.values()):
            raise NotCompilable("a record that only errs")
        text = f"({''.join(f'{code.text}, ' for code in codes.values())})"
        return Code(text, Kind(Sort.RECORD, None, tuple((n, c.kind) for n, c in codes.items())))

    def attribute(self, operands: Node) -> Code:
        name, holder = operands["attr"], operands["left"]
        path = context_path({".": operands})
        if path is not None:
            return self._names.context_attribute(path)
        if holder == _PRINCIPAL:
            return self._names.principal_attribute(name)
        code = self._expression(holder)
        if code.kind.sort is Sort.RECORD:
            return _member(code, name)
        return code if code.kind is NEVER else self._names.attribute_of(_entity(code), name)

    def has(self, operands: Node) -> Code:
        name, holder = operands["attr"], operands["left"]
        path = context_path({".": operands})
        if path is not None:
            return self._names.has_context_attribute(path)
        if holder == _PRINCIPAL:
            return self._names.has_principal_attribute(name)
        code = self._expression(holder)
        if code.kind.sort is Sort.RECORD:
            found = any(each == name for each, _ in code.kind.attributes)
            return Code(f"({code.text}, {found})[1]", BOOL)
        return code if code.kind is NEVER else self._names.has_attribute(_entity(code), name)

    def like(self, operands: Node) -> Code:
        code = self._expression(operands["left"])
        if code.kind is NEVER:
            return code
        if code.kind is not STRING:
            raise NotCompilable(f"`like` of {code.kind.sort.name}")
        return Code(
            f"like({code.text}, {self._names.constant(_pieces(operands['pattern']))})", BOOL
        )

    def is_(self, operands: Node) -> Code:
        code = self._expression(operands["left"])
        if code.kind is NEVER:
            return code
        code = _entity(code)
        test = f"({code.text}[0] == {operands['entity_type']!r})"
        if "in" not in operands:
            return Code(test, BOOL)
        inside = self.in_({"left": operands["left"], "right": operands["in"]})
        return Code(f"({test} and {inside.text})", BOOL)

    def in_(self, operands: Node) -> Code:
        groups = _groups(operands["right"]) if operands["left"] == _PRINCIPAL else None
        if groups is None:
            return self._operation("in", operands)
        if len(groups) == 1:
            return Code(f"({groups[0]!r} in F.request.subject.groups)", BOOL)
        named = self._names.constant(frozenset(groups))
        return Code(f"(not {named}.isdisjoint(F.request.subject.groups))", BOOL)


_SPECIAL: Mapping[str, Callable[[_Compiler, Node], Code]] = {
    "Value": _Compiler.value,
    "Var": _Compiler.variable,
    "if-then-else": _Compiler.choice,
    "Set": _Compiler.set,
    "Record": _Compiler.record,
    ".": _Compiler.attribute,
    "has": _Compiler.has,
    "like": _Compiler.like,
    "is": _Compiler.is_,
    "in": _Compiler.in_,
}


def _entity(code: Code) -> Code:
    if code.kind is not ENTITY:
        raise NotCompilable(f"{code.kind.sort.name} where an entity is needed")
    return code


def _member(record: Code, name: str) -> Code:
    for place, (each, kind) in enumerate(record.kind.attributes):
        if each == name:
            return Code(f"{record.text}[{place}]", kind)
    raise NotCompilable(f"`{name}` of a record without it")


def _ordered(operands: Node) -> Sequence[Node]:
    """Return the operands of an operator or a method: Cedar's JSON has them in three shapes."""
    if isinstance(operands, list):
        return operands
    return [operands["arg"]] if "arg" in operands else [operands["left"], operands["right"]]


def _links(operator: str, operands: Node) -> list[Node]:
    """Return the links of a chain of *operator* in their order, however it is bracketed."""
    links, waiting = [], [operands["right"], operands["left"]]
    while waiting:
        node = waiting.pop()
        if operator in node:
            waiting += [node[operator]["right"], node[operator]["left"]]
        else:
            links.append(node)
    return links


def _pieces(pattern: Sequence[Node]) -> tuple[str, ...]:
    pieces = [""]
    for each in pattern:
        if each == "Wildcard":
            pieces.append("")
        else:
            pieces[-1] += each["Literal"]
    return tuple(pieces)


def _groups(node: Node) -> list[str] | None:
    """Return the ids if *node* names groups and nothing else."""
    values = [each.get("Value") for each in node.get("Set", [node])]
    named = [each["__entity"] for each in values if isinstance(each, dict)]
    if not named or len(named) < len(values) or any(each["type"] != "Group" for each in named):
        return None
    return [each["id"] for each in named]

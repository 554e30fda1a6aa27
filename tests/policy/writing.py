"""Hypothesis strategies for Cedar policies of every operator, as text.

A policy is drawn along the kinds of its expressions, so that the validator takes nearly all of
them; with ``loose`` set, kinds are mixed up, and only the Cedar engine can say what it means.
"""

import json

from hypothesis import strategies as st

from tests.policy.generating import CLIENTS, DECIMALS, GROUPS, LONGS, RESOURCES, STRINGS, USERS

DATETIMES = (
    *("1970-01-01", "2026-01-02T03:04:05.678Z", "1969-12-31T23:59:59.999Z", "2024-02-29"),
    *("2026-01-02T03:04:05+0530", "0001-01-01", "9999-12-31T23:59:59.999-2359"),
)
DURATIONS = ("0ms", "1h", "-1d2h", "59s", "1d23h59m59s999ms", "106751991167d", "-90m", "-1500ms")
IPS = (
    *("10.0.0.1", "10.0.0.0/8", "10.1.2.3/16", "127.0.0.1", "127.0.0.0/7", "127.0.0.0/8"),
    *("224.0.0.1/4", "224.0.0.1/3", "::1", "::1/127", "ff00::/7", "ff02::1", "0.0.0.0/0", "::/0"),
)
PATTERNS = ("*", "a*", "*b", "INC-*", r"x\*y", "*a*b*", "", "é*", "a*b*", "*a", "*aa*", "**")

# What a policy for `pay` can read of each kind: always there by the schema, or to be asked for.
_SURE = {
    "Bool": ["context.operation.final"],
    "Long": ["context.operation.amount", "context.delegation_depth"],
    "String": ["context.request.ticket"],
    "decimal": ["context.operation.value"],
    "datetime": ["context.now"],
    "Strings": ["context.operation.currency"],
    "Entity": ["context.client", "principal"],
}
_ASKED = {
    ("context", "acr"): "String",
    ("context", "actor"): "String",
    ("context", "auth_age"): "Long",
    ("context.operation", "amount"): "Long",
    ("context.operation", "final"): "Bool",
    ("context.operation", "text"): "String",
    ("context.operation", "path"): "String",
    ("context.operation", "least"): "Long",
    ("context.operation", "maybe"): "Bool",
    ("context.operation", "tags"): "Strings",
    ("context.request", "urgency"): "Long",
    ("context.request", "calm"): "Bool",
    ("principal", "level"): "Long",
    ("principal", "department"): "String",
    ("principal", "staff"): "Bool",
    ("principal", "tags"): "Strings",
    ('User::"ada"', "level"): "Long",
}
_LIMITS = {"lifetime": "Long", "uses": "Long", "approvals": "Long", "bound": "String"}
_KINDS = (*_SURE, "duration", "ip", "Entities", "Longs")


def cedar_string(text):
    """Return *text* as a Cedar string literal."""
    return json.dumps(text, ensure_ascii=False)


class Writer:
    """Draws one policy's conditions. known: what may be read without asking, by kind.

    wide: its scope takes actions of several types, so that no field is sure.
    """

    def __init__(self, draw, *, limits, wide, loose):
        self.draw = draw
        self.wide = wide
        self.loose = loose
        self.known = {
            kind: [name for name in names if not (wide and ".operation." in name)]
            for kind, names in _SURE.items()
        }
        for name, kind in _LIMITS.items() if limits else ():
            self.known[kind].append(f"context.limits.{name}")

    def one(self, choices):
        return self.draw(st.sampled_from(list(choices)))

    def expression(self, kind, depth):
        if self.loose and self.draw(st.integers(0, 14)) == 0:
            kind = self.one(_KINDS)
        if depth <= 0 or self.draw(st.integers(0, 6)) == 0:
            return self._leaf(kind)
        if self.draw(st.integers(0, 11)) == 0:
            return self._choice(kind, depth - 1)
        return getattr(self, f"_{kind.lower()}")(depth - 1)

    def _leaf(self, kind):
        known = self.known.get(kind, [])
        if known and self.draw(st.booleans()):
            return self.one(known)
        return getattr(self, f"_{kind.lower()}_literal")()

    def _choice(self, kind, depth):
        parts = self.expression("Bool", depth), *[self.expression(kind, depth) for _ in range(2)]
        return "(if {} then {} else {})".format(*parts)

    def _pair(self, kind, depth, operators):
        left, right = self.expression(kind, depth), self.expression(kind, depth)
        return f"({left} {self.one(operators)} {right})"

    def _method(self, kind, depth, names, other=None):
        argument = self.expression(other, depth) if other else ""
        return f"{self._bracketed(kind, depth)}.{self.one(names)}({argument})"

    def _bracketed(self, kind, depth):
        text = self.expression(kind, depth)
        return f"({text})" if text.startswith(("-", "!")) else text

    # Truth values.

    def _bool_literal(self):
        return self.one(["true", "false", "(context has acr)", "(principal is User)", "true"])

    def _bool(self, depth):
        return self.one(_TESTS)(self, depth)

    def _asked(self, depth):
        (holder, name), kind = self.one(_ASKED.items())
        wide = self.wide and holder == "context.operation"
        self.known[kind].append(f"{holder}.{name}")
        right = self.expression("Bool", depth)
        self.known[kind].remove(f"{holder}.{name}")
        only = 'action in Action::"pay" && ' if wide and self.draw(st.booleans()) else ""
        test = f"{only}{holder} has {name} && {right}"
        typed = holder == "principal" and self.draw(st.booleans())
        return f"(principal is User && {test})" if typed else f"({test})"

    def _unguarded(self, depth):
        # A user has an issuer: unless nobody knows that user, or the issuer is missing.
        entity = self.one(["principal", 'User::"bob"', 'User::"nobody"'])
        guard = "principal is User && " if entity == "principal" else ""
        return f"({guard}{entity}.issuer == {self.expression('String', depth)})"

    def _inside(self, depth):
        entity, group = self.expression("Entity", depth), self._group()
        several = f"[{group}, {self._group()}]"
        return self.one(
            [
                f"({entity} in {self.one([group, several])})",
                f"(principal in {self.one([group, several])})",
                f"(principal is User in {group})",
                f"({entity} in {self.expression('Entities', depth)})",
                f'(resource in Resource::"{self.one(RESOURCES)}")',
                f'(action in Action::"{self.one(["pay", "odd", "pay:make"])}")',
                f'(action in [Action::"odd", {self.one(["action", self._action()])}])',
                f"(action == {self._action()})",
                f"({entity} is {self.one(['User', 'Client'])})",
                f'(Group::"support" in {group})',
                f'(Client::"{self.one(CLIENTS)}" in {group})',
            ]
        )

    def _record(self, depth):
        inner = self.expression("Long", depth), self.expression("String", depth)
        record = f'{{a: {inner[0]}, "b c": {inner[1]}, c: {{d: [{inner[1]}]}}}}'
        return self.one(
            [
                f"({record}.a < {inner[0]})",
                f'({record}["b c"] == {self.expression("String", depth)})',
                f"({record} has a)",
                f"({record}.c.d.contains({inner[1]}))",
                f"({record} == {record})",
                f"[{record}].contains({record})",
            ]
        )

    def _chain(self, depth):
        links = [
            self.expression("Bool", min(depth, 1)) for _ in range(self.draw(st.integers(3, 8)))
        ]
        return f"({self.one([' && ', ' || ']).join(links)})"

    # The other kinds.

    def _long_literal(self):
        return str(self.one(LONGS))

    def _long(self, depth):
        if self.draw(st.integers(0, 4)) == 0:
            units = ["toMilliseconds", "toSeconds", "toMinutes", "toHours", "toDays"]
            return self._method("duration", depth, units)
        if self.draw(st.integers(0, 5)) == 0:
            return f"(-({self.expression('Long', depth)}))"
        return self._pair("Long", depth, "+-*")

    def _string_literal(self):
        return cedar_string(self.one(STRINGS))

    def _string(self, depth):
        return self._choice("String", depth)

    def _decimal_literal(self):
        return f'decimal("{self.one(DECIMALS)}")'

    def _decimal(self, depth):
        return self._choice("decimal", depth)

    def _datetime_literal(self):
        return f'datetime("{self.one(DATETIMES)}")'

    def _datetime(self, depth):
        if self.draw(st.booleans()):
            return self._method("datetime", depth, ["offset"], "duration")
        return self._method("datetime", depth, ["toDate"])

    def _duration_literal(self):
        return f'duration("{self.one(DURATIONS)}")'

    def _duration(self, depth):
        if self.draw(st.booleans()):
            return self._method("datetime", depth, ["durationSince"], "datetime")
        return self._method("datetime", depth, ["toTime"])

    def _ip_literal(self):
        return f'ip("{self.one(IPS)}")'

    def _ip(self, depth):
        return self._choice("ip", depth)

    def _strings_literal(self):
        other = self.one(['"EUR"', self._string_literal()])
        return f"[{self._string_literal()}, {other}]"

    def _strings(self, depth):
        return f"[{self.expression('String', depth)}, {self.expression('String', depth)}]"

    def _longs_literal(self):
        return f"[{self._long_literal()}, {self._long_literal()}]"

    def _longs(self, depth):
        return f"[{self.expression('Long', depth)}, {self.expression('Long', depth)}]"

    def _entity_literal(self):
        return self.one([f'User::"{self.one(USERS)}"', f'Client::"{self.one(CLIENTS)}"'])

    def _entity(self, depth):
        return self._choice("Entity", depth)

    def _entities_literal(self):
        return f"[{self._group()}, {self._group()}]"

    def _entities(self, depth):
        return f"[{self.expression('Entity', depth)}]"

    def _group(self):
        return f'Group::"{self.one(GROUPS)}"'

    def _action(self):
        return f'Action::"{self.one(["pay:make", "pay:undo", "odd:do"])}"'


_ORDER, _EQUAL = ("<", "<=", ">", ">="), ("==", "!=")
_DECIMAL_TESTS = ("lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual")
_IP_TESTS = ("isIpv4", "isIpv6", "isLoopback", "isMulticast")
_TESTS = (
    lambda write, depth: write._pair("Bool", depth, ["&&"]),
    lambda write, depth: write._pair("Bool", depth, ["||"]),
    lambda write, depth: f"(!({write.expression('Bool', depth)}))",
    lambda write, depth: write._pair("Long", depth, (*_ORDER, *_EQUAL)),
    lambda write, depth: write._pair("Long", depth, _ORDER),
    lambda write, depth: write._pair("String", depth, _EQUAL),
    lambda write, depth: write._pair("Bool", depth, _EQUAL),
    lambda write, depth: write._pair("decimal", depth, _EQUAL),
    lambda write, depth: write._pair("datetime", depth, (*_ORDER, *_EQUAL)),
    lambda write, depth: write._pair("duration", depth, (*_ORDER, *_EQUAL)),
    lambda write, depth: write._pair("ip", depth, _EQUAL),
    lambda write, depth: write._pair("Entity", depth, _EQUAL),
    lambda write, depth: write._pair("Strings", depth, _EQUAL),
    lambda write, depth: f'({write.expression("String", depth)} like "{write.one(PATTERNS)}")',
    lambda write, depth: write._method("decimal", depth, _DECIMAL_TESTS, "decimal"),
    lambda write, depth: write._method("ip", depth, ["isInRange"], "ip"),
    lambda write, depth: write._method("ip", depth, _IP_TESTS),
    lambda write, depth: write._method("Strings", depth, ["containsAll", "containsAny"], "Strings"),
    lambda write, depth: write._method("Strings", depth, ["contains"], "String"),
    lambda write, depth: write._method("Longs", depth, ["contains"], "Long"),
    lambda write, depth: write._method("Longs", depth, ["containsAll", "containsAny"], "Longs"),
    lambda write, depth: write._method("Entities", depth, ["contains"], "Entity"),
    lambda write, depth: write._method("Strings", depth, ["isEmpty"]),
    Writer._asked,
    Writer._asked,
    Writer._asked,
    Writer._unguarded,
    Writer._inside,
    Writer._inside,
    Writer._record,
    Writer._chain,
)

_PRINCIPALS = (
    *("principal", "principal", "principal", "principal", "principal is User"),
    "principal is Client",
    *('principal in Group::"support"', 'principal == User::"ada"', 'principal == Client::"bot"'),
    *('principal is User in Group::"leads"', 'principal in User::"ada"'),
)
_ACTIONS = ('action in Action::"pay"', 'action == Action::"pay:make"')
_ALL_ACTIONS = ("action", 'action in [Action::"pay", Action::"odd"]')
_RESOURCES = ("resource", "resource", 'resource == Resource::"https://api"')


@st.composite
def policy_texts(draw, *, most=10, loose=False):
    """Draw the texts of some policies; their ids are their places."""
    effects = draw(st.lists(st.sampled_from(["permit", "forbid"]), min_size=2, max_size=most))
    return [policy(draw, f"p{n}", effect, loose=loose) for n, effect in enumerate(effects)]


def policy(draw, id_, effect, *, loose):
    """Draw one policy."""
    limits = effect == "forbid" and draw(st.booleans())
    wide = draw(st.integers(0, 2)) == 0
    write = Writer(draw, limits=limits, wide=wide, loose=loose)
    actions = _ALL_ACTIONS if wide else _ACTIONS
    scope = ", ".join(draw(st.sampled_from(each)) for each in (_PRINCIPALS, actions, _RESOURCES))
    conditions = [
        f"{draw(st.sampled_from(['when', 'unless']))} {{ {write.expression('Bool', depth)} }}"
        for depth in draw(st.sampled_from([[1], [2], [3], [4], [1, 3], []]))
    ]
    return f'@id("{id_}") {effect}({scope}) {" ".join(conditions)};'

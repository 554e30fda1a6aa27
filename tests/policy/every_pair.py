"""Conditions that set every operator against every pair of values: small, and nothing left out.

Drawn policies mix operators deeply and seldom meet an edge; these meet every edge, one at a time.
"""

from itertools import product

from tests.policy.generating import DECIMALS, STRINGS
from tests.policy.writing import DATETIMES, DURATIONS, IPS, PATTERNS, cedar_string

_LONGS = ("0", "1", "-1", "5", "9223372036854775807", "-9223372036854775808")
_ORDERED = ("<", "<=", ">", ">=", "==", "!=")
_STRINGS = tuple(map(cedar_string, STRINGS))
_SETS = ("[1]", "[2, 1]", "[1, 2, 1]", "[3]", "[1, 3]")
_BOOLS = ("true", "false")
_ENTITIES = ("principal", 'User::"ada"', 'User::"bob"', "context.client", 'Client::"bot"')
_GROUPS = ('Group::"support"', 'Group::"bots"', '[Group::"support", Group::"others"]')


def _literals(function, texts):
    return [f'{function}("{text}")' for text in texts]


def _infix(values, operators):
    return (f"{a} {operator} {b}" for operator, a, b in product(operators, values, values))


def _methods(values, names):
    return (f"{a}.{name}({b})" for name, a, b in product(names, values, values))


def _arithmetic():
    for operator, a, b, c in product("+-*", _LONGS, _LONGS, ("-1", "0", "4")):
        yield f"{a} {operator} ({b}) > {c}"
    yield from (f"-({a}) < 0" for a in _LONGS)


def _times():
    moments, durations = _literals("datetime", DATETIMES), _literals("duration", DURATIONS)
    yield from _infix(moments, _ORDERED)
    yield from _infix(durations, _ORDERED)
    for moment, duration, other in product(moments, durations, moments):
        yield f"{moment}.offset({duration}) <= {other}"
    far, long_ago = (f'{moments[0]}.offset(duration("{sign}106751991167d"))' for sign in ("", "-"))
    for one, other, duration in product((far, *moments), (long_ago, *moments), durations):
        yield f"{one}.durationSince({other}) < {duration}"
    for moment, duration in product(moments, durations):
        yield f"{moment}.toTime() == {duration}"
        yield f"{moment}.toTime() < {duration}"
    yield from (f"{a}.toDate() == {b}" for a, b in product(moments, moments))
    units = ("toMilliseconds", "toSeconds", "toMinutes", "toHours", "toDays")
    for duration, unit, count in product(durations, units, (-2, -1, 0, 1, 2, 23, 47, 59)):
        yield f"{duration}.{unit}() <= {count}"


def conditions():
    """Yield them all."""
    yield from _infix(_LONGS, _ORDERED)
    yield from _arithmetic()
    yield from _times()
    yield from _infix(_STRINGS, ("==", "!="))
    yield from (f'{a} like "{pattern}"' for a, pattern in product(_STRINGS, PATTERNS))
    decimals, addresses = _literals("decimal", DECIMALS), _literals("ip", IPS)
    yield from _infix(decimals, ("==", "!="))
    names = ("lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual")
    yield from _methods(decimals, names)
    yield from _infix(addresses, ("==",))
    yield from _methods(addresses, ("isInRange",))
    tests = ("isIpv4", "isIpv6", "isLoopback", "isMulticast")
    yield from (f"{a}.{name}()" for a, name in product(addresses, tests))
    yield from _infix(_SETS, ("==", "!="))
    yield from _methods(_SETS, ("containsAll", "containsAny"))
    yield from (f"{a}.contains({b})" for a, b in product(_SETS, (1, 2, 3)))
    yield from (f"{a}.isEmpty()" for a in _SETS)
    yield from _infix(_BOOLS, ("&&", "||", "==", "!="))
    yield from (f"(if {a} then {b} else !{b}) && !{a}" for a, b in product(_BOOLS, _BOOLS))
    yield from _infix(_ENTITIES, ("==", "!=", "in"))
    yield from (f"{a} in {b}" for a, b in product(_ENTITIES, _GROUPS))
    yield from (f"{a} is {b}" for a, b in product(_ENTITIES, ("User", "Client", "Group")))

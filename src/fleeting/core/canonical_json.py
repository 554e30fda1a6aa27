"""JSON values as the one text that stands for each: the JSON Canonicalization Scheme (RFC 8785)."""

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeAlias

from fleeting.core.jose import encode_base64url
from fleeting.core.model import Json

Tree: TypeAlias = "Json | Mapping[str, Json]"

_LONGEST_PLAIN = 21
_SMALLEST_PLAIN = -6


def canonical(value: Tree) -> str:
    """Return the text of *value* (RFC 8785 §3.2).

    A whole number that no double holds stays what it is: RFC 8785 §3.2.2.3 has no word for it.
    """
    if isinstance(value, Mapping):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))  # §3.2.3
        return "{" + ",".join(f"{_text(name)}:{canonical(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(canonical(each) for each in value) + "]"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return _number(value)


def digest(value: Tree) -> str:
    """Return the SHA-256 of the text of *value*, as base64url."""
    return encode_base64url(hashlib.sha256(canonical(value).encode()).digest()).decode()


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    """Return a number as ECMAScript writes it (RFC 8785 §3.2.2.3)."""
    try:
        double = float(value)
    except OverflowError:
        return str(value)
    sign, figures, exponent = Decimal(repr(double)).as_tuple()
    digits = "".join(map(str, figures)).rstrip("0")
    if not digits:
        return "0"
    point = len(figures) + int(exponent)
    return "-" * sign + _placed(digits, point)


def _placed(digits: str, point: int) -> str:
    """Return *digits* with the decimal point *point* places from their beginning."""
    if _SMALLEST_PLAIN < point <= 0:
        return "0." + "0" * -point + digits
    if not 0 < point <= _LONGEST_PLAIN:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{digits[0]}{fraction}e{point - 1:+d}"
    if len(digits) <= point:
        return digits + "0" * (point - len(digits))
    return f"{digits[:point]}.{digits[point:]}"

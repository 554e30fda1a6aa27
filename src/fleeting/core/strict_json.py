"""JSON as a security boundary reads it: no duplicate keys, no NaN, bounded depth, real Unicode."""

import json
import math
from typing import Any, NoReturn

MAX_DEPTH = 16


class JsonError(ValueError):
    """The text is not JSON that this system accepts; the message says why."""


def loads(text: str | bytes, *, max_depth: int = MAX_DEPTH) -> Any:  # noqa: ANN401 -- it is JSON
    """Parse *text* (RFC 8259), refusing what two parsers could read differently.

    Raises:
        JsonError: not JSON, a repeated key, a number JSON lacks, too deep, or not Unicode text.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode()  # RFC 8259 §8.1: UTF-8; the library would take UTF-16 and halves
        value = _DECODER.decode(text)
    except RecursionError:
        raise JsonError("nested too deeply") from None
    except JsonError:
        raise
    except ValueError:  # bad syntax, bad UTF-8, a number of thousands of digits
        raise JsonError("not valid JSON") from None
    if text.count("[") + text.count("{") > max_depth and _depth_exceeds(value, max_depth):
        raise JsonError(f"nested deeper than {max_depth} levels")
    _check_text(text, value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise JsonError("a key is repeated")
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise JsonError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):  # 1e999: the library would make it what it refuses by name
        raise JsonError("a number is too large")
    return number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite
)


def _check_text(text: str, value: object) -> None:
    """Refuse lone surrogates and U+0000: only an escape can smuggle them past UTF-8."""
    if "\\u" not in text:
        return
    plain = json.dumps(value, ensure_ascii=False)
    if "\\u0000" in plain:
        raise JsonError("U+0000 is not allowed in text")
    try:
        plain.encode()
    except UnicodeEncodeError:
        raise JsonError("a lone surrogate is not text") from None


def _depth_exceeds(value: object, levels: int) -> bool:
    if isinstance(value, dict):
        return levels == 0 or any(_depth_exceeds(item, levels - 1) for item in value.values())
    if isinstance(value, list):
        return levels == 0 or any(_depth_exceeds(item, levels - 1) for item in value)
    return False

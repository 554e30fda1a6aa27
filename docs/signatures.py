"""Render the public Python API as Markdown: signatures as they are written, docstrings as prose."""

import ast
import inspect
import re
from collections.abc import Iterator
from inspect import cleandoc
from textwrap import dedent
from types import ModuleType
from typing import Any

import fleeting.client
import fleeting.client.keys
import fleeting.core.declaring
import fleeting.core.operation_types
import fleeting.resource
import fleeting.resource.declarations
import fleeting.resource.fastapi
import fleeting.resource.starlette

_MODULES: tuple[tuple[ModuleType, str], ...] = (
    (fleeting.resource, "For resource servers: the guard, and its face for any ASGI application."),
    (fleeting.resource.fastapi, "The guard on FastAPI routes."),
    (fleeting.resource.starlette, "The guard on single Starlette routes."),
    (fleeting.client, "For callers."),
)
_NAMED = re.compile(r"^([a-z_]+(?:, (?:and )?[a-z_]+)*(?: or [a-z_]+)?): ", re.MULTILINE)
_ITEM = re.compile(r"(?:\n|(?<=[.;)]) )(?=[a-z_]+(?:, (?:and )?[a-z_]+)*(?: or [a-z_]+)?: )")
_DESIGN = re.compile(r"[ \n]*\(DESIGN [^)]*\)|, DESIGN [^,)]*(?=[,)])")
_RAISED = re.compile(r"(?:^|(?<=\. ))((?:[A-Z]\w+)(?:, [A-Z]\w+)*)(?=[:,.])")
_CODE = r"`\1`"
_WIDTH = 88


def python_page() -> str:
    """Return the reference of the public modules."""
    head = cleandoc(
        """
        # Python API

        What `fleeting.resource` (for APIs) and `fleeting.client` (for callers) export; both come
        with the bare install. Anything else is internal. How to use it: [protect a
        route](../how-to/protect-a-route.md), [obtain tokens](../how-to/obtain-tokens.md).

        `Types`: declared operation types by name, or the path of a TOML file with `[types.*]`.
        `PrivateKey`: a private P-256 JWK, as a mapping, as JSON, or the path of its file.
        `KeySource`: the same, or PEM, or a key object of `cryptography`. `Json`: any JSON value.
        """
    )
    parts, described = [head], set[int]()
    for module, words in _MODULES:
        parts += [f"## {module.__name__}", words]
        for name in module.__all__:
            value = getattr(module, name)
            if id(value) not in described and hasattr(value, "__module__"):
                described.add(id(value))
                parts += _entry(name, value)
    return "\n\n".join(part.rstrip() for part in parts if part) + "\n"


def _entry(name: str, value: Any) -> Iterator[str]:  # noqa: ANN401 -- whatever is exported
    if not inspect.isclass(value) and not inspect.isfunction(value):
        return  # an alias: the head says what it is
    node = _node(value)
    yield f"### {name}"
    yield f"```text\n{_class(node) if isinstance(node, ast.ClassDef) else _function(node)}\n```"
    yield prose(value.__doc__ or "")
    for owner in value.__mro__ if inspect.isclass(value) else ():
        if owner.__module__.startswith("fleeting.") and owner is not Exception:
            yield from _methods(name, owner, inherited=owner is not value)


def _methods(name: str, owner: type, *, inherited: bool) -> Iterator[str]:
    if inherited and not owner.__name__.startswith("_"):
        return  # described where it is exported itself
    for each in _node(owner).body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and _is_public(each):
            yield f"#### {name}.{each.name}"
            yield f"```text\n{_function(each)}\n```"
            yield prose(ast.get_docstring(each, clean=False) or "")


def _is_public(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    flow = node.name.endswith("auth_flow")  # httpx's side of the bargain
    return not node.name.startswith("_") and not flow and ast.get_docstring(node) is not None


def _node(value: Any) -> Any:  # noqa: ANN401 -- a definition
    return ast.parse(dedent(inspect.getsource(value))).body[0]


def _class(node: ast.ClassDef) -> str:
    bases = [ast.unparse(base) for base in node.bases]
    members = [
        f"    {ast.unparse(each)}"
        for each in node.body
        if isinstance(each, ast.AnnAssign) and not ast.unparse(each.target).startswith("_")
    ]
    is_value = any("dataclass" in ast.unparse(each) for each in node.decorator_list)
    if is_value or "TypedDict" in bases:
        members = [re.sub(r" = field\(.*", " = …", each) for each in members]
        return "\n".join([f"class {node.name}:", *members])
    shown = [base for base in bases if not base.startswith("_")]
    head = f"class {node.name}({', '.join(shown)})" if shown else f"class {node.name}"
    init = _init(node, bases)
    return f"{head}\n\n{node.name}{init}" if init else head


def _init(node: ast.ClassDef, bases: list[str]) -> str:
    """Return the parameters that the class takes, its own or those of a base of ours."""
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            return _parameters(each.args) if node.name != "Refused" else ""
    for base in bases:
        if base.startswith("_Face"):
            return _init(_node(fleeting.client.TokenClient.__mro__[1]), [])
    return ""


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    prefix = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    if any(ast.unparse(each) == "property" for each in node.decorator_list):
        return f"{node.name}: {ast.unparse(node.returns) if node.returns else ''}"
    returns = "" if node.returns is None else f" -> {ast.unparse(node.returns).strip(chr(39))}"
    return f"{prefix}{node.name}{_parameters(node.args)}{returns}"


def _parameters(args: ast.arguments) -> str:
    for each in (*args.posonlyargs, *args.args):
        if each.arg in ("self", "cls"):
            (args.posonlyargs or args.args).remove(each)
    parts = _split(ast.unparse(args))
    flat = f"({', '.join(parts)})"
    if len(flat) <= _WIDTH:
        return flat
    return "\n".join(["(", *(f"    {part}," for part in parts), ")"])


def _split(text: str) -> list[str]:
    """Split parameters at their commas, not at those inside brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "[({") - (character in "])}")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    spaced = (re.sub(r"(?<=[\w\]'])=(?=\S)", " = ", part.strip(), count=1) for part in parts)
    return [re.sub(r" = lambda.*", " = …", part) for part in spaced if part]


def prose(doc: str) -> str:
    """Return a docstring as Markdown: parameters as a list, examples as code."""
    parts: list[str] = []
    for paragraph in re.split(r"\n\n", _DESIGN.sub("", cleandoc(doc))):
        if paragraph.strip() == "::":
            continue
        if paragraph.startswith("    "):
            if parts and parts[-1].startswith("    "):
                parts[-1] += f"\n\n{paragraph}"
            else:
                parts.append(paragraph)
        elif re.match(r"Raises\b", paragraph):
            parts.append(_raises(paragraph))
        elif _NAMED.match(paragraph):
            parts.append(_list(paragraph))
        else:
            parts.append(_words(paragraph))
    return "\n\n".join(
        f"```text\n{dedent(part)}\n```" if part.startswith("    ") else part for part in parts
    )


def _words(text: str) -> str:
    """Return text as one line; double backticks become single ones."""
    return " ".join(text.split()).replace("``", "`")


def _raises(paragraph: str) -> str:
    head, _, rest = paragraph.partition(":")
    return f"{head}: {_RAISED.sub(_CODE, _words(rest).replace('`', ''))}"


def _list(paragraph: str) -> str:
    """Return ``name: meaning`` lines, their continuations joined, as a list."""
    items = [_words(item) for item in _ITEM.split(paragraph)]
    return "\n".join("- " + _NAMED.sub(_coded, item) for item in items)


def _coded(found: re.Match[str]) -> str:
    return re.sub(r"\b(?!and\b|or\b)([a-z_]+)", r"`\1`", found[1]) + ": "

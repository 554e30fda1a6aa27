"""Pieces of the Python that policies are compiled to, and the names that it refers to."""

from typing import NamedTuple

from fleeting.policy.facts import reader
from fleeting.policy.kinds import BOOL, NEVER, Kind, attribute_kinds, context_kinds
from fleeting.policy.native_facts import NativeReader, attribute_reader, native
from fleeting.policy.operators import NAMES
from fleeting.policy.schema import PolicyWorld

_OPEN_RECORDS = ("operation", "request")
"""The records of the context whose attributes an installation declares."""


class NotCompilable(Exception):
    """This policy is the Cedar engine's to evaluate; the message says why."""


class Code(NamedTuple):
    """An expression in Python, and its kind."""

    text: str
    kind: Kind


class Names:
    """What the code of one policy refers to, for the operations of one type.

    values: every name there is, builtins excluded. ``F`` and ``A``, the facts and the action, are
    the code's own parameters; ``v`` holds a value between its test and its use.
    """

    def __init__(self, world: PolicyWorld, type_name: str) -> None:
        """Start with the operators' names alone."""
        self.values: dict[str, object] = {**NAMES, "__builtins__": {}}
        self._type = world.types.get(type_name)
        self._context = context_kinds(world, type_name)
        self._attributes = attribute_kinds(world)
        self._readers: dict[str | tuple[str, ...], str] = {}

    def constant(self, value: object) -> str:
        """Return a name for *value*."""
        name = f"c{len(self.values)}"
        self.values[name] = value
        return name

    def context_attribute(self, path: tuple[str, ...]) -> Code:
        """Return the attribute of the context at *path*; where it is absent, that errs."""
        holder = ".".join(("context", *path[:-1]))
        kind = self._context_kind(path)
        if kind is None:
            return Code(f"missing({holder!r}, {path[-1]!r})", NEVER)
        return Code(_present(self._context_reader(path, kind), holder, path[-1]), kind)

    def has_context_attribute(self, path: tuple[str, ...]) -> Code:
        """Return whether the context has an attribute at *path*."""
        kind = self._context_kind(path)
        return Code("False" if kind is None else _given(self._context_reader(path, kind)), BOOL)

    def principal_attribute(self, name: str) -> Code:
        """Return the principal's attribute *name*; where it is absent, that errs."""
        kind = self._attribute_kind(name)
        return Code(_present(self._attribute_reader(name, kind), "principal", name), kind)

    def has_principal_attribute(self, name: str) -> Code:
        """Return whether the principal has the attribute *name*."""
        return Code(_given(self._attribute_reader(name, self._attribute_kind(name))), BOOL)

    def attribute_of(self, entity: Code, name: str) -> Code:
        """Return the attribute *name* of any *entity*; where it is absent, that errs."""
        kind = self._attribute_kind(name)
        read = self._attribute_reader(name, kind)
        return Code(f"attribute_of({entity.text}, {read}, {name!r}, F)", kind)

    def has_attribute(self, entity: Code, name: str) -> Code:
        """Return whether any *entity* has the attribute *name*."""
        read = self._attribute_reader(name, self._attribute_kind(name))
        return Code(f"has_attribute({entity.text}, {read}, F)", BOOL)

    def _context_kind(self, path: tuple[str, ...]) -> Kind | None:
        """Return the kind of what stands at *path*; None where these operations have nothing."""
        kind = self._context.get(path)
        if kind is None and path[:-1] not in [(record,) for record in _OPEN_RECORDS]:
            raise NotCompilable(f"`{'.'.join(('context', *path))}`")
        return kind

    def _attribute_kind(self, name: str) -> Kind:
        if name not in self._attributes:
            raise NotCompilable(f"an undeclared attribute `{name}`")
        return self._attributes[name]

    def _context_reader(self, path: tuple[str, ...], kind: Kind) -> str:
        return self._readers.get(path) or self._named(path, native(reader(path, self._type), kind))

    def _attribute_reader(self, name: str, kind: Kind) -> str:
        return self._readers.get(name) or self._named(name, attribute_reader(name, kind))

    def _named(self, key: str | tuple[str, ...], read: NativeReader) -> str:
        return self._readers.setdefault(key, self.constant(read))


def _given(read: str) -> str:
    return f"({read}(F) is not None)"


def _present(read: str, holder: str, name: str) -> str:
    return f"(v if (v := {read}(F)) is not None else missing({holder!r}, {name!r}))"

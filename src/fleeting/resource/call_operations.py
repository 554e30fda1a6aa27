"""What a call means: the one operation that a route's parameters amount to."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from fleeting.core.declaring import DeclarationError, nearest
from fleeting.core.errors import InvalidAuthorizationDetails, InvalidRequest
from fleeting.core.model import SCOPE_TYPE, Json, Operation, scope_operation
from fleeting.core.operations import OperationType, parse_operation
from fleeting.resource.calls import Call
from fleeting.resource.sources import Computed, FromPath, Source


@dataclass(frozen=True, slots=True)
class CallOperation:
    """How a route's calls become operations; made by ``operation`` and ``scope``.

    action: for a scope, the scope. sources: where each field comes from.
    needs_body: whether the body must be there before the operation is known.
    """

    type: str
    action: str | None
    sources: Mapping[str, Source]
    needs_body: bool

    def read(self, call: Call, types: Mapping[str, OperationType]) -> Operation:
        """Return the operation that *call* is (RFC 9396 §2).

        Raises:
            InvalidRequest: the call's values do not fit the declared type.
        """
        if self.type == SCOPE_TYPE:
            return scope_operation(self.action or "")
        fields = types[self.type].fields
        value: dict[str, Json] = {"type": self.type}
        if self.action is not None:
            value["actions"] = [self.action]
        for name, source in self.sources.items():
            found = source.read(call, fields[name])
            if found is not None:
                value[name] = found
        try:
            return parse_operation(value, types)
        except InvalidAuthorizationDetails as error:
            raise InvalidRequest(error.description) from None

    def check(
        self,
        types: Mapping[str, OperationType],
        scopes: Collection[str],
        path_names: Collection[str] | None = None,
    ) -> None:
        """Refuse, at start, what could never be read (DESIGN D3).

        path_names: the parameters of the route's path; None where they are not known here.

        Raises:
            DeclarationError: with what to write instead.
        """
        if self.type == SCOPE_TYPE:
            if self.action not in scopes:
                raise DeclarationError(f"scope '{self.action}' is not among the guard's scopes")
            return
        if self.type not in types:
            raise DeclarationError(f"no type '{self.type}'{nearest(self.type, types)}")
        self._check_action(types[self.type])
        self._check_fields(types[self.type])
        self._check_path(path_names)

    def _check_action(self, type_: OperationType) -> None:
        known = ", ".join(type_.actions)
        if self.action is None and len(type_.actions) > 1:
            raise DeclarationError(f"operation('{self.type}') needs action=: one of {known}")
        if self.action is not None and self.action not in type_.actions:
            raise DeclarationError(f"type '{self.type}' has no action '{self.action}', but {known}")

    def _check_fields(self, type_: OperationType) -> None:
        for name in self.sources:
            if name not in type_.fields:
                hint = nearest(name, type_.fields)
                raise DeclarationError(f"type '{self.type}' has no field '{name}'{hint}")
        for name, field in type_.fields.items():
            if name not in self.sources and not field.optional:
                raise DeclarationError(f"operation('{self.type}') needs a source for '{name}'")

    def _check_path(self, path_names: Collection[str] | None) -> None:
        for source in self.sources.values():
            if (
                isinstance(source, FromPath)
                and path_names is not None
                and source.name not in path_names
            ):
                raise DeclarationError(f"the path of the rule has no '{{{source.name}}}'")


def operation(
    type_: str, /, *, action: str | None = None, **fields: Source | Callable[[Call], Json]
) -> CallOperation:
    """Say which operation a route's calls are, and where its fields come from.

    action: may be left out where the type has only one.

        operation(
            "payment_refund",
            action="refund",
            payment_id=path("payment_id"),
            amount=body("amount"),
            currency=const("EUR"),
            note=lambda call: call.header_value(b"x-note"),
        )

    The guard compares these fields and no others: what else a body says, the route must judge.
    """
    sources = {
        name: Computed(source) if callable(source) else source for name, source in fields.items()
    }
    needs_body = any(source.needs_body for source in sources.values())
    return CallOperation(type_, action, sources, needs_body)


def scope(name: str) -> CallOperation:
    """Say that a route's calls need the OAuth scope *name*, such as ``scope("payments:read")``."""
    return CallOperation(SCOPE_TYPE, name, {}, needs_body=False)

"""Say to the solver that a request is this very one."""

from decimal import Decimal

import z3

from fleeting.core.model import SubjectKind
from fleeting.policy.proving.instants import milliseconds
from fleeting.policy.proving.sets import Variable
from fleeting.policy.proving.terms import Kind, Term


class Fixing:
    """Every variable of *variables* as *case* has it; texts that nobody named get a number."""

    def __init__(self, variables, case):
        self.variables, self.case = variables, case
        self.others = {}
        # Sets are made of the strings that are asked about: here, of all that the request has.
        subject, operation = case.request.subject, case.request.operations[0]
        for value in (*subject.attributes.values(), *operation.fields.values()):
            for each in value if isinstance(value, tuple) else ():
                variables.universe.note(Term(Kind.STRING, self.text(each)))

    def constraints(self):
        seen, request = self.variables, self.case.request
        yield seen.now == milliseconds(self.case.now)
        yield seen.depth == len(request.actors)
        yield seen.client.code == seen.id(request.client.client_id)
        yield seen.resource.code == seen.id(request.resource.identifier)
        yield from self.record(seen.operation, request.operations[0].fields)
        yield from self.record(seen.request, request.context)
        if seen.actor is not None and request.actors:
            yield seen.actor.term.value == self.text(request.actors[0].sub)
        if seen.place.kind is SubjectKind.USER:
            yield from self.user(request.subject)

    def user(self, subject):
        seen = self.variables
        yield seen.principal.code == seen.id(subject.id)
        yield seen.issuer.value == self.text(subject.issuer)
        for group, member in seen.groups().items():
            yield member == (group in subject.groups)
        named = {name: each for name, each in seen.attributes.items() if name != "issuer"}
        yield from self.record(named, subject.attributes)
        if seen.acr is not None:
            yield from self.record(
                {"acr": seen.acr}, {} if subject.acr is None else {"acr": subject.acr}
            )
        if seen.login is not None:
            at = subject.auth_time
            yield seen.login.attribute.present == (at is not None)
            if at is not None:
                age = (self.case.now - at).total_seconds()
                yield seen.login.attribute.term.value == max(0, int(age))
                yield seen.login.more == (age > int(age))

    def record(self, attributes, values):
        for name, each in attributes.items():
            if each.present is not True:
                yield each.present == (name in values)
            if name in values:
                yield from self.value(each.term, values[name])

    def value(self, term, value):
        if isinstance(term.value, Variable):
            texts = [self.text(each) for each in ([value] if isinstance(value, str) else value)]
            for member in term.value.universe.members:
                inside = z3.Or(*[z3.BoolVal(False), *[member.value == text for text in texts]])
                yield term.value.has(member) == inside
        elif term.kind is Kind.STRING:
            yield term.value == self.text(value)
        elif isinstance(value, Decimal):
            yield term.value == int(value.scaleb(4))
        else:
            yield term.value == value

    def text(self, text):
        if text in self.variables.strings.literals() or self.variables.strings.sort != z3.IntSort():
            return self.variables.strings.literal(text)
        return self.others.setdefault(text, 10_000 + len(self.others))

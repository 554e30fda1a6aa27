from fleeting.core.model import SubjectKind
from fleeting.policy.proving.parties import Place
from fleeting.policy.proving.solving import Possible, Question
from fleeting.policy.proving.terms import every
from tests.policy.proving.conditions import WORLD
from tests.policy.proving.rules import permit

PLACE = Place(SubjectKind.CLIENT, "pay", "make")


def test_a_question_about_all_requests_is_answered(parties, effort):
    question = Question(PLACE, WORLD, parties, [], effort)
    door = question.doors[0]
    depth = question.variables.depth
    assert question.ask(depth > 7, door) is Possible.YES
    assert question.ask(depth > 8) is Possible.NO
    assert question.ask(False) is Possible.NO
    assert len(question.example(depth > 2, door).request.actors) == 3
    assert question.example(depth > 8, door) is None


def test_what_is_named_later_binds_too(parties, effort, pay):
    place = Place(SubjectKind.USER, "pay", "make")
    question = Question(place, WORLD, parties, [], effort)
    assert question.ask(True) is Possible.YES
    (one,) = pay(permit("a", who='principal in Group::"a"')).policies.values()
    inside = question.encoder.encode(one).satisfied
    small = question.variables.strings.literal("https://small")
    silent = question.variables.issuer.value == small
    assert question.ask(inside) is Possible.YES
    assert question.ask(every((inside, silent))) is Possible.NO

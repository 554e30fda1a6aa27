"""Policies in a small world, and what can be asked of a prover about them."""

from datetime import timedelta

import pytest

from fleeting.policy import PolicySource, load_policies
from fleeting.policy.proving.properties import load_properties
from fleeting.policy.proving.solving import Effort
from tests.policy.proving.conditions import NOW, PARTIES, WORLD


@pytest.fixture(scope="session")
def effort():
    return Effort(timedelta(seconds=20), NOW)


@pytest.fixture(scope="session")
def parties():
    return PARTIES


@pytest.fixture(scope="session")
def pay():
    """Load one text as a set of policies."""

    def pay(text, world=WORLD):
        return load_policies([PolicySource("pay.cedar", text)], world)

    return pay


@pytest.fixture(scope="session")
def property_():
    """Read one property."""

    def property_(never, more="", world=WORLD):
        text = f'[[properties]]\nname = "p"\nnever = {{ {never} }}\n{more}\n'
        (found,) = load_properties([PolicySource("p.toml", text)], world)
        return found

    return property_


@pytest.fixture(scope="session")
def property_problems():
    """Return what is wrong with a file of properties, each as ``line:column: message (hint)``."""

    def property_problems(text, world=WORLD):
        from fleeting.policy import PolicyProblems

        with pytest.raises(PolicyProblems) as caught:
            load_properties([PolicySource("p.toml", text)], world)
        return [str(each).removeprefix("p.toml:") for each in caught.value.problems]

    return property_problems

"""Verified tokens are remembered: bounded, and never those that are good once."""

import pytest

from fleeting.core.errors import InvalidToken
from fleeting.resource.access_tokens import AccessTokens
from fleeting.resource.issuer import Issuer, SecretCredentials
from fleeting.resource.issuer_keys import IssuerKeys
from tests.resource.stand_in import DECLARED


@pytest.fixture
async def tokens(issuer):
    line = Issuer(issuer.url, SecretCredentials("payments-api", "x"))
    keys = IssuerKeys(line)
    yield AccessTokens(issuer.url, keys, DECLARED, remembered=2)
    await keys.aclose()
    await line.aclose()


async def test_a_token_of_several_uses_is_verified_once(tokens, issuer):
    text = issuer.token("payments:read")
    assert await tokens.read(text) is await tokens.read(text)


async def test_a_token_of_one_use_is_not_remembered(tokens, issuer):
    text = issuer.token(uses=1)
    assert await tokens.read(text) is not await tokens.read(text)


async def test_the_token_not_seen_for_longest_is_forgotten(tokens, issuer):
    first, second, third = (issuer.token("payments:read") for _ in range(3))
    read = [await tokens.read(text) for text in (first, second, first, third)]
    assert await tokens.read(first) is read[0]
    assert await tokens.read(second) is not read[1]


async def test_one_character_more_is_another_token(tokens, issuer):
    text = issuer.token("payments:read")
    await tokens.read(text)
    for forged in (text + "A", text[:-4] + "AAAA", text + "="):
        with pytest.raises(InvalidToken):
            await tokens.read(forged)


async def test_a_token_that_says_nothing_grants_nothing(tokens, issuer):
    assert (await tokens.read(issuer.token(operations=()))).operations == ()


async def test_uses_that_are_no_number_of_uses_are_refused(tokens, issuer):
    with pytest.raises(InvalidToken, match="uses"):
        await tokens.read(issuer.token(uses=-1))

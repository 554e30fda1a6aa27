import pytest

from fleeting.core.errors import TemporarilyUnavailable
from fleeting.core.jose import JoseError, KeySet, UnknownKeyError
from fleeting.usecases.parties import KeysUnavailableError, verified_by

OLD, NEW = KeySet(()), KeySet(())


class Keys:
    """A party with old keys and new ones; None: it cannot be reached."""

    def __init__(self, old=OLD, new=NEW):
        self.sets, self.asked = {False: old, True: new}, []

    async def keys(self, party, *, newest=False):
        self.asked.append(newest)
        if self.sets[newest] is None:
            raise KeysUnavailableError("connection refused")
        return self.sets[newest]


def knows(wanted):
    def read(keys):
        if keys is not wanted:
            raise UnknownKeyError("no key fits")
        return "claims"

    return read


async def test_known_keys_are_enough():
    party = Keys()
    assert await verified_by("idp", party, knows(OLD)) == "claims"
    assert party.asked == [False]


async def test_newer_keys_are_tried_once():
    party = Keys()
    assert await verified_by("idp", party, knows(NEW)) == "claims"
    with pytest.raises(UnknownKeyError):
        await verified_by("idp", party, knows(None))
    assert party.asked == [False, True] * 2


async def test_a_wrong_signature_asks_for_nothing():
    party = Keys()

    def read(_keys):
        raise JoseError("its signature is wrong")

    with pytest.raises(JoseError):
        await verified_by("idp", party, read)
    assert party.asked == [False]


@pytest.mark.parametrize("party", [Keys(old=None), Keys(new=None)])
async def test_a_party_out_of_reach_is_ours_to_mend(party):
    with pytest.raises(TemporarilyUnavailable) as caught:
        await verified_by("idp", party, knows(NEW))
    assert "connection refused" not in caught.value.description
    assert "connection refused" in caught.value.detail

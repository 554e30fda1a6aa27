from datetime import UTC, datetime, timedelta

import pytest

from fleeting.core.revocations import ClientEnded, SubjectEnded, TokenEnded
from fleeting.resource.revoked import RevokedSet, TooManyError
from tests.core.test_revocations import token

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = AT + timedelta(minutes=5)


@pytest.fixture
def revoked():
    return RevokedSet(3)


@pytest.mark.parametrize(
    "ended",
    [TokenEnded("t1", LATER), ClientEnded("bot", AT, LATER), SubjectEnded("alice", AT, LATER)],
)
def test_what_it_knows_ends_a_token_until_that_would_have_expired(revoked, ended):
    assert not revoked.ends(token())
    revoked.add(ended)
    assert revoked.ends(token())
    revoked.forget(LATER)  # its clock and the issuer's may differ
    assert revoked.ends(token())
    revoked.forget(LATER + timedelta(minutes=2))
    assert (len(revoked), revoked.ends(token())) == (0, False)


@pytest.mark.parametrize("made", [ClientEnded, SubjectEnded])
def test_of_one_party_the_latest_cut_counts_in_whatever_order_they_come(revoked, made):
    name = {ClientEnded: "bot", SubjectEnded: "alice"}[made]
    revoked.add(made(name, AT, LATER))
    revoked.add(made(name, AT - timedelta(minutes=1), LATER))
    assert revoked.ends(token())
    revoked.add(made(name, AT + timedelta(minutes=1), LATER))
    assert revoked.ends(token(issued_at=AT + timedelta(minutes=1)))
    assert len(revoked) == 1


def test_it_takes_no_more_than_it_has_room_for(revoked):
    for number in range(3):
        revoked.add(TokenEnded(f"t{number}", LATER))
    with pytest.raises(TooManyError, match="more than 3"):
        revoked.add(TokenEnded("t4", LATER))
    assert revoked.ends(token(jti="t2"))

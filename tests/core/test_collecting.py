from dataclasses import replace

import pytest

from fleeting.core.collecting import NOT_YOURS, check_owner
from fleeting.core.errors import InvalidGrant
from fleeting.core.model import AskedBy
from tests.approving import pending


def test_what_permits_decisions_alone_is_worth_no_token():
    record = pending()
    client, key = record.request.client.client_id, record.request.key
    assert check_owner(record, client, key) is record
    evaluated = replace(record, request=replace(record.request, asked_by=AskedBy.EVALUATION))
    with pytest.raises(InvalidGrant, match=NOT_YOURS):
        check_owner(evaluated, client, key)

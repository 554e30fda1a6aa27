from datetime import timedelta

import pytest

from fleeting.core.declaring import DeclarationError, Table
from fleeting.server.declared_sign_in import ProviderClient, SignInDeclaration, declare_sign_in

IDP = "https://idp.example.com"
CLIENT = {"provider": IDP, "client_id": "ours", "client_secret_file": "secret"}


def declare(**values):
    return declare_sign_in(Table("sign_in", values), [IDP])


def test_without_a_table_people_sign_in_with_passkeys():
    assert declare() == SignInDeclaration()
    assert declare().passkeys
    assert declare().client is None


def test_all_of_it_can_be_said():
    declared = declare(
        **CLIENT,
        session_max="8h",
        session_idle="30m",
        approver_max_age="1h",
        passkeys=False,
        scopes=["openid", "groups"],
        acr_values=["mfa"],
    )
    assert declared.terms.longest == timedelta(hours=8)
    assert declared.terms.idle == timedelta(minutes=30)
    assert declared.approver_max_age == timedelta(hours=1)
    assert not declared.passkeys
    assert declared.client == ProviderClient(
        IDP, "ours", "secret", None, ("openid", "groups"), ("mfa",)
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"sesion_max": "1h"}, "did you mean 'session_max'"),
        ({"session_max": "1"}, "session_max"),
        ({"session_max": "25h"}, "longer than a day"),
        ({"session_max": "30m"}, "session_idle: must not be longer than session_max"),
        ({"client_id": "ours"}, "client_id: needs a provider"),
        ({"passkeys": False}, "nobody could sign in"),
        ({**CLIENT, "provider": "https://other"}, f"declared: {IDP}"),
        ({**CLIENT, "client_id": ""}, "client_id: is missing"),
        ({**CLIENT, "client_key_file": "key"}, "one of client_secret_file and client_key_file"),
        ({"provider": IDP, "client_id": "ours"}, "one of client_secret_file and client_key_file"),
        ({**CLIENT, "scopes": ["profile"]}, 'must name "openid"'),
    ],
)
def test_what_is_wrong_is_said_with_what_to_write(values, told):
    with pytest.raises(DeclarationError) as refused:
        declare(**values)
    assert told in str(refused.value)

import pytest

from fleeting.core.metadata import (
    AS_METADATA,
    RESOURCE_METADATA,
    resource_metadata,
    server_metadata,
    well_known,
)

ISSUER = "https://as.example.com/tenant"


def test_the_server_introduces_itself():
    document = server_metadata(ISSUER, types=["b", "a"], scopes=["read"])
    assert document["issuer"] == ISSUER
    for name, path in {
        "token_endpoint": "/token",
        "jwks_uri": "/jwks",
        "introspection_endpoint": "/introspect",
        "revocation_endpoint": "/revoke",
        "transaction_authorization_endpoint": "/transaction-authorization",
        "spend_endpoint": "/spend",
        "report_endpoint": "/report",
    }.items():
        assert document[name] == ISSUER + path
    assert document["authorization_details_types_supported"] == ["a", "b"]
    assert document["scopes_supported"] == ["read"]
    assert document["response_types_supported"] == []
    assert document["token_endpoint_auth_methods_supported"] == [
        "private_key_jwt",
        "client_secret_basic",
    ]


def test_nothing_weak_is_offered():
    document = server_metadata(ISSUER, types=[], scopes=[])
    for name, values in document.items():
        if name.endswith("alg_values_supported"):
            assert not {"none", "HS256", "RS256"} & set(values), name
    assert "password" not in document["grant_types_supported"]
    assert "implicit" not in document["grant_types_supported"]


def test_a_resource_server_introduces_itself():
    document = resource_metadata(
        "https://api.example.com",
        issuer=ISSUER,
        jwks_uri="https://api.example.com/jwks",
        types=["refund"],
        scopes=["b", "a"],
    )
    assert document["resource"] == "https://api.example.com"
    assert document["authorization_servers"] == [ISSUER]
    assert document["bearer_methods_supported"] == ["header"]  # never in the query (RFC 9700)
    # RFC 9728 §2 `dpop_bound_access_tokens_required`: not *always*, with `insecure_bearer` clients
    assert "dpop_bound_access_tokens_required" not in document
    assert document["scopes_supported"] == ["a", "b"]


@pytest.mark.parametrize(
    ("identifier", "url"),
    [
        ("https://a.example", "https://a.example/.well-known/oauth-authorization-server"),
        ("https://a.example/", "https://a.example/.well-known/oauth-authorization-server"),
        ("https://a.example/t/1", "https://a.example/.well-known/oauth-authorization-server/t/1"),
        (
            "https://a.example/t?q=1",
            "https://a.example/.well-known/oauth-authorization-server/t?q=1",
        ),
    ],
)
def test_the_well_known_part_goes_before_the_path(identifier, url):
    assert well_known(identifier, AS_METADATA) == url
    assert RESOURCE_METADATA.startswith("/.well-known/")


def test_what_is_no_url_has_no_metadata():
    with pytest.raises(ValueError, match="IPv6"):
        well_known("https://[", AS_METADATA)

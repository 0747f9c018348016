"""``python -m local issuer``: issuers registered, listed and removed by an operator; a secret is never an argument."""

import json

import pytest

from tests.local.operator.conftest import Terminal

MADE = ("--name", "Issuing Inc", "--email", "finops@issuing.example")
SECRET = "a-legacy-secret-of-a-project-0123456789"
KEYCLOAK = ("--provider", "keycloak", "--issuer", "https://login.issuing.com/realms/costs")


def test_an_issuer_is_registered_listed_and_removed(terminal: Terminal) -> None:
    assert terminal.run("org", "create", "--org", "issuing_inc", *MADE) == 0, terminal.errors
    made = terminal.json("issuer", "add", "--org", "issuing_inc", *KEYCLOAK, "--role", "boss=admin")
    assert (made["algorithm"], made["audience"]) == ("RS256", "account")
    assert made["jwks_url"] == "https://login.issuing.com/realms/costs/protocol/openid-connect/certs"
    assert (made["claims"]["role"], made["roles"]) == ("realm_access.roles", {"boss": "admin"})
    assert terminal.run("issuer", "list", "--org", "issuing_inc") == 0
    assert json.loads(terminal.out)["issuer_id"] == made["issuer_id"]
    assert terminal.run("issuer", "remove", "--org", "issuing_inc", "--id", made["issuer_id"]) == 0
    assert terminal.run("issuer", "list", "--org", "issuing_inc") == 0
    assert terminal.out == ""
    assert terminal.run("issuer", "remove", "--org", "issuing_inc", "--id", made["issuer_id"]) == 1


def test_a_secret_is_read_from_standard_input_and_shown_nowhere(terminal: Terminal) -> None:
    assert terminal.run("org", "create", "--org", "legacy_inc", *MADE) == 0, terminal.errors
    given = ("--provider", "supabase", "--issuer", "https://old.supabase.co/auth/v1", "--secret-stdin")
    assert terminal.run("issuer", "add", "--org", "legacy_inc", *given, typed=f"{SECRET}\n") == 0, terminal.errors
    made = json.loads(terminal.out)
    assert (made["algorithm"], made["audience"], made["has_secret"]) == ("HS256", "authenticated", True)
    assert SECRET not in terminal.out + terminal.errors


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--issuer", "https://login.issuing.com"), 2, "algorithm"),
        ((*KEYCLOAK, "--role", "boss=root"), 2, "roles"),
        ((*KEYCLOAK, "--jwks-url", "https://10.0.0.1/keys"), 1, "public host"),
        ((*KEYCLOAK, "--role-claim", "user_metadata.role"), 2, "only the issuer writes"),
    ],
)
def test_what_makes_no_issuer_is_told(terminal: Terminal, arguments: tuple[str, ...], code: int, said: str) -> None:
    terminal.run("org", "create", "--org", "issuing_inc", *MADE)
    assert terminal.run("issuer", "add", "--org", "issuing_inc", *arguments) == code
    assert said in terminal.errors

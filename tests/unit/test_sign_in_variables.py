"""Variables of signing in: what they default to, and that each bad one is named."""

from pathlib import Path

import pytest

from clarive_monitor.configuration import BadVariable, read

OIDC = {"CLARIVE_OIDC_ISSUER": "https://id.example/realms/a", "CLARIVE_OIDC_CLIENT_ID": "clarive"}
LDAP = {"CLARIVE_LDAP_URL": "ldaps://dir.example", "CLARIVE_LDAP_USER_BASE": "ou=people,dc=example"}


def test_nothing_given_means_passwords_kept_here() -> None:
    found = read({}).sign_in
    assert (found.failures, found.address_failures, found.lockout_minutes) == (10, 100, 15)
    assert (found.oidc, found.ldap, found.local_passwords, found.proxies) == (None, None, "everybody", 0)
    assert (found.password_min_length, found.session_hours, found.session_idle_minutes) == (12, 168, 0)
    assert not read({}).notices.mail_is_sent
    assert read({"CLARIVE_EMAIL_URL": "smtp://mail"}).notices.mail_is_sent


def test_behind_a_proxy_its_word_on_addresses_counts() -> None:
    assert read({"CLARIVE_HTTPS": "1"}).sign_in.proxies == 1
    assert read({"CLARIVE_HTTPS": "1", "CLARIVE_PROXIES": "0"}).sign_in.proxies == 0


def test_a_provider_and_a_directory_are_read() -> None:
    found = read({**OIDC, **LDAP, "CLARIVE_LOCAL_PASSWORDS": "administrators"}).sign_in
    assert found.oidc is not None
    assert (found.oidc["scopes"], found.oidc["accounts"]) == (("openid", "profile", "email"), "create")
    assert found.ldap is not None
    assert (found.ldap["start_tls"], found.ldap["user_filter"]) == (False, "(uid={username})")
    groups = {"CLARIVE_OIDC_GROUPS_CLAIM": "groups", "CLARIVE_OIDC_GROUPS": "qa, team-ops=ops"}
    again = read({**OIDC, **groups}).sign_in.oidc
    assert again is not None
    assert again["groups"] == {"qa": "qa", "team-ops": "ops"}


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("CLARIVE_LOGIN_FAILURES", {"CLARIVE_LOGIN_FAILURES": "0"}),
        ("CLARIVE_LOGIN_ADDRESS_FAILURES", {"CLARIVE_LOGIN_ADDRESS_FAILURES": "9"}),
        ("CLARIVE_LOGIN_LOCKOUT_MINUTES", {"CLARIVE_LOGIN_LOCKOUT_MINUTES": "a while"}),
        ("CLARIVE_PROXIES", {"CLARIVE_PROXIES": "-1"}),
        ("CLARIVE_PASSWORD_MIN_LENGTH", {"CLARIVE_PASSWORD_MIN_LENGTH": "4"}),
        ("CLARIVE_SESSION_HOURS", {"CLARIVE_SESSION_HOURS": "0"}),
        ("CLARIVE_SESSION_IDLE_MINUTES", {"CLARIVE_SESSION_IDLE_MINUTES": "1.5"}),
        ("CLARIVE_LOCAL_PASSWORDS", {"CLARIVE_LOCAL_PASSWORDS": "nobody"}),
        ("CLARIVE_LOCAL_PASSWORDS", {"CLARIVE_LOCAL_PASSWORDS": "administrators"}),
        ("CLARIVE_OIDC_ISSUER", {**OIDC, "CLARIVE_OIDC_ISSUER": "http://id.example"}),
        ("CLARIVE_OIDC_ISSUER", {**OIDC, "CLARIVE_OIDC_ISSUER": "id.example"}),
        ("CLARIVE_OIDC_ISSUER", {**OIDC, "CLARIVE_OIDC_ISSUER": "https://user:secret@id.example"}),
        ("CLARIVE_OIDC_CLIENT_ID", {**OIDC, "CLARIVE_OIDC_CLIENT_ID": ""}),
        ("CLARIVE_OIDC_SCOPES", {**OIDC, "CLARIVE_OIDC_SCOPES": "profile"}),
        ("CLARIVE_OIDC_ACCOUNTS", {**OIDC, "CLARIVE_OIDC_ACCOUNTS": "all"}),
        ("CLARIVE_OIDC_GROUPS", {**OIDC, "CLARIVE_OIDC_GROUPS": "qa"}),
        ("CLARIVE_OIDC_GROUPS", {**OIDC, "CLARIVE_OIDC_GROUPS_CLAIM": "g", "CLARIVE_OIDC_GROUPS": "=ops"}),
        ("CLARIVE_OIDC_ADMIN_GROUP", {**OIDC, "CLARIVE_OIDC_ADMIN_GROUP": "admins"}),
        ("CLARIVE_LDAP_URL", {**LDAP, "CLARIVE_LDAP_URL": "http://dir.example"}),
        ("CLARIVE_LDAP_URL", {**LDAP, "CLARIVE_LDAP_URL": "ldaps://dir.example:port"}),
        ("CLARIVE_LDAP_START_TLS", {**LDAP, "CLARIVE_LDAP_START_TLS": "1"}),
        (
            "CLARIVE_LDAP_START_TLS",
            {**LDAP, "CLARIVE_LDAP_URL": "ldap://dir.example", "CLARIVE_LDAP_START_TLS": "0"},
        ),
        ("CLARIVE_LDAP_USER_BASE", {**LDAP, "CLARIVE_LDAP_USER_BASE": ""}),
        ("CLARIVE_LDAP_USER_FILTER", {**LDAP, "CLARIVE_LDAP_USER_FILTER": "(uid=ana)"}),
        ("CLARIVE_LDAP_USER_FILTER", {**LDAP, "CLARIVE_LDAP_USER_FILTER": "uid={username}"}),
        ("CLARIVE_LDAP_USER_FILTER", {**LDAP, "CLARIVE_LDAP_USER_FILTER": "(uid={username}{who})"}),
        ("CLARIVE_LDAP_CA_FILE", {**LDAP, "CLARIVE_LDAP_CA_FILE": "/nowhere/ca.pem"}),
    ],
)
def test_a_bad_value_is_an_error_that_names_its_variable(name: str, variables: dict[str, str]) -> None:
    with pytest.raises(BadVariable, match=name) as caught:
        read(variables)
    assert "secret" not in str(caught.value)


def test_a_file_of_certificates_may_be_given(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("x")
    found = read({**LDAP, "CLARIVE_LDAP_CA_FILE": str(path)}).sign_in.ldap
    assert found is not None
    assert found["ca_file"] == str(path)

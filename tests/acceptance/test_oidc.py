"""Signing in through an OpenID Connect provider that really runs: over HTTP, with tokens that it signs."""

from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from axes.models import AccessLog
from django.contrib.auth.models import Group
from joserfc.jwk import RSAKey

from permissions.models import ExternalIdentity, User
from permissions.oidc import provider as client
from tests.oidc_provider import Claims, OidcProvider
from tests.pages import words
from tests.signing_in import Browser, person, quick_hashes

__all__ = ["quick_hashes"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_hashes")]

UNVERIFIED: Final = "The provider's answer could not be verified"
UNREACHABLE: Final = "The provider cannot be reached"


@pytest.fixture(scope="module")
def running() -> Iterator[OidcProvider]:
    found = OidcProvider()
    yield found
    found.stop()


@pytest.fixture
def provider(running: OidcProvider, settings: Any) -> OidcProvider:
    """A provider that answers well, and is the one of this installation."""
    running.claims = {
        "sub": "u-1", "preferred_username": "eva", "email": "eva@example.org", "given_name": "Eva", "family_name": "Ruiz",
    }  # fmt: skip
    running.userinfo, running.error, running.document = None, "", {}
    running.change, running.sign = lambda claims: claims, running.signed
    running.published = [running.key]
    running.requests.clear()
    client.forget()
    configure(settings, running)
    return running


def configure(settings: Any, provider: OidcProvider, **more: Any) -> None:
    """Make it the provider of this installation."""
    settings.CLARIVE_OIDC = {
        "issuer": provider.issuer,
        "client_id": provider.client_id,
        "client_secret": provider.client_secret,
        "label": "Keycloak",
        **more,
    }


def leave(browser: Browser, following: str = "") -> str:
    """Go to the provider and return the address that it sends the browser back to."""
    away = browser.get(f"/login/oidc/{f'?next={following}' if following else ''}")
    assert away.status_code == 302
    back = httpx.get(away["Location"], verify=False)
    return back.headers["Location"].removeprefix("http://testserver")


def sign_in(browser: Browser | None = None, following: str = "") -> tuple[Browser, Any]:
    """Sign in and return the browser and the page it ends on."""
    browser = browser or Browser()
    answer = browser.get(leave(browser, following))
    assert answer.status_code == 302
    return browser, browser.get(answer["Location"])


def refused(sentence: str, browser: Browser | None = None) -> None:
    """Try to sign in and see what the sign-in page says."""
    browser, page = sign_in(browser)
    assert page.request["PATH_INFO"] == "/login/"
    assert sentence in words(page)
    assert 'name="password"' in page.content.decode(), "signing in with a password is still offered"
    assert not browser.is_in


def test_a_person_whom_the_provider_knows_gets_an_account(provider: OidcProvider) -> None:
    browser = Browser()
    page = browser.get("/login/?next=/account/")
    assert "Sign in with Keycloak" in words(page)
    assert 'href="/login/oidc/?next=%2Faccount%2F"' in page.content.decode()
    _browser, landed = sign_in(browser, "/account/")
    assert landed.request["PATH_INFO"] == "/account/"
    user = User.objects.get()
    assert (user.username, user.email, user.first_name, user.last_name) == (
        "eva",
        "eva@example.org",
        "Eva",
        "Ruiz",
    )
    powers = [user.is_staff, user.is_superuser, user.has_usable_password(), user.groups.exists()]
    assert powers == [False, False, False, False]
    identity = ExternalIdentity.objects.get()
    assert (identity.issuer, identity.subject, identity.user) == (provider.issuer, "u-1", user)
    assert AccessLog.objects.get().path_info == "/login/oidc/callback/"
    assert "clarive_oidc" not in {
        name[:12] for name, cookie in browser.client.cookies.items() if cookie.value
    }


def test_the_same_subject_is_the_same_account_under_any_name(provider: OidcProvider) -> None:
    sign_in()
    provider.claims = {"sub": "u-1", "preferred_username": "eva.garcia", "email": "eva.garcia@example.org"}
    sign_in()
    user = User.objects.get()
    assert (user.username, user.email, user.first_name) == ("eva", "eva.garcia@example.org", "Eva")
    provider.claims = {"sub": "u-2", "preferred_username": "otto", "email": "eva.garcia@example.org"}
    sign_in()
    assert User.objects.count() == 2, "an e-mail is nobody's identity"


def test_what_is_sent_is_bound_to_this_sign_in(provider: OidcProvider) -> None:
    queries = [parse_qs(urlsplit(Browser().get("/login/oidc/")["Location"]).query) for _ in range(2)]
    assert queries[0]["scope"] == ["openid profile email"]
    assert queries[0]["redirect_uri"] == ["http://testserver/login/oidc/callback/"]
    assert queries[0]["code_challenge_method"] == ["S256"]
    for name in ("state", "nonce", "code_challenge"):
        assert queries[0][name] != queries[1][name]
        assert len(queries[0][name][0]) >= 43


def _changed(**claims: Any) -> Callable[[Claims], Claims]:
    return lambda before: {name: value for name, value in (before | claims).items() if value is not None}


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "another-client"}, {"aud": ["clarive", "another"]}, {"aud": None}, {"azp": "another-client"},
        {"aud": ["clarive", "another"], "azp": "another"}, {"iss": "https://evil.example"}, {"iss": None},
        {"nonce": "of-another-sign-in"}, {"nonce": None}, {"exp": 1_600_000_000}, {"exp": None}, {"iat": 4_000_000_000},
        {"sub": None}, {"sub": ""}, {"sub": 7}, {"sub": "x" * 256},
        {"sub": "nul\x00"},
    ],
    ids=str,
)  # fmt: skip
def test_a_token_that_is_not_for_us_now_is_refused(provider: OidcProvider, change: Claims) -> None:
    provider.change = _changed(**change)
    refused(UNVERIFIED)
    assert not User.objects.exists()


def test_a_token_for_several_is_fine_when_it_was_given_to_us(provider: OidcProvider) -> None:
    provider.change = _changed(aud=["other", "clarive"], azp="clarive")
    assert sign_in()[0].is_in


def test_a_token_that_the_provider_did_not_sign_is_refused(provider: OidcProvider) -> None:
    stranger = RSAKey.generate_key(2048, {"kid": str(provider.key.kid)})
    unknown = RSAKey.generate_key(2048, {"kid": "unknown"})
    forgeries: list[Callable[[Claims], str]] = [
        lambda claims: provider.signed(claims, stranger),
        lambda claims: provider.signed(claims, unknown),
        lambda claims: provider.signed(claims)[:-8] + "AAAAAAAA",
        provider.signed_with_public_key,
        provider.unsigned,
        lambda _claims: "no token",
        lambda _claims: "",
    ]
    for forge in forgeries:
        provider.sign = forge
        refused(UNVERIFIED)
    provider.sign, provider.published = provider.signed, []
    refused(UNVERIFIED)
    assert not User.objects.exists()


def test_a_changed_key_of_the_provider_is_found_at_once(provider: OidcProvider) -> None:
    sign_in()
    following = RSAKey.generate_key(2048, {"kid": "next"})
    provider.published = [provider.key, following]
    provider.sign = lambda claims: provider.signed(claims, following, "PS256")
    assert sign_in()[0].is_in


def test_who_goes_back_or_is_denied_is_told_so(provider: OidcProvider) -> None:
    provider.error = "access_denied"
    refused("The provider did not let you in, or you went back.")


def test_an_answer_comes_back_once_and_to_the_browser_that_left(provider: OidcProvider) -> None:
    browser, other = Browser(), Browser()
    back = leave(browser)
    for stranger, address in (
        (other, back),
        (other, "/login/oidc/callback/"),
        (browser, back.replace("state=", "state=x")),
        (browser, "/login/oidc/callback/?state=%00&code=1"),
    ):
        answer = stranger.get(address)
        assert answer["Location"] == "/login/"
        assert "took too long or was begun elsewhere" in words(stranger.get("/login/"))
        assert not stranger.is_in
    browser.get(back)
    assert browser.get("/account/").status_code == 200
    browser.post("/logout/")
    browser.get(back)
    assert browser.get("/account/").status_code == 302
    forged = leave(other)
    name = next(name for name in other.client.cookies if name.startswith("clarive_oidc_"))
    other.client.cookies[name] = other.client.cookies[name].value[:-3] + "xxx"
    other.get(forged)
    assert not other.is_in


def test_a_code_of_another_browser_is_worth_nothing(provider: OidcProvider) -> None:
    mallory, victim = Browser(), Browser()
    stolen = parse_qs(urlsplit(leave(mallory)).query)["code"][0]
    own = urlsplit(leave(victim))
    state = parse_qs(own.query)["state"][0]
    victim.get(f"{own.path}?code={stolen}&state={state}")
    assert UNREACHABLE in words(victim.get("/login/"))
    assert not victim.is_in


@pytest.mark.parametrize("following", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_nobody_is_sent_elsewhere_afterwards(provider: OidcProvider, following: str) -> None:
    assert sign_in(following=following)[1].request["PATH_INFO"] == "/"


def test_a_provider_that_is_down_or_odd_leaves_the_password(provider: OidcProvider, settings: Any) -> None:
    for document in (
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
    ):
        provider.document = document
        client.forget()
        browser = Browser()
        assert browser.get("/login/oidc/?next=/account/")["Location"] == "/login/?next=%2Faccount%2F"
        assert UNREACHABLE in words(browser.get("/login/"))
    settings.CLARIVE_OIDC = settings.CLARIVE_OIDC | {"issuer": "http://127.0.0.1:9/realms/test"}
    browser = Browser()
    browser.get("/login/oidc/")
    page = browser.get("/login/")
    assert UNREACHABLE in words(page)
    assert 'name="password"' in page.content.decode()


def test_a_provider_that_goes_down_meanwhile_is_said(provider: OidcProvider) -> None:
    for endpoint in ("token_endpoint", "jwks_uri"):
        browser = Browser()
        client.forget()
        provider.document = {endpoint: "http://127.0.0.1:9/"}
        browser.get(leave(browser))
        assert UNREACHABLE in words(browser.get("/login/"))
        assert not browser.is_in


@pytest.mark.parametrize("name", [None, "", "a name with spaces", "x" * 151, "<script>", 7, "nul\x00"])
def test_a_name_that_cannot_be_used_is_said(provider: OidcProvider, name: Any) -> None:
    provider.claims["preferred_username"] = name
    refused("gave no user name that can be used here")
    assert not User.objects.exists()


@pytest.mark.parametrize("accounts", ["create", "link", "both"])
@pytest.mark.parametrize(
    ("username", "fields"),
    [
        ("eva", {"password": "a-local-password"}),
        ("eva", {"password": None, "is_superuser": True}),
        ("eva", {"password": None, "is_staff": True}),
        ("Eva", {"password": None}),
    ],
)
def test_nobody_takes_over_an_account_by_its_name(
    provider: OidcProvider, settings: Any, accounts: str, username: str, fields: dict[str, Any]
) -> None:
    configure(settings, provider, accounts=accounts)
    person(username, email="eva@example.org", **fields)
    refused("An account of this name is here already")
    assert (User.objects.count(), ExternalIdentity.objects.count()) == (1, 0)


def test_an_account_that_waits_is_taken_only_where_that_is_wished_for(
    provider: OidcProvider, settings: Any
) -> None:
    prepared = person("eva", None)
    refused("An account of this name is here already")
    configure(settings, provider, accounts="link")
    browser, _page = sign_in()
    assert browser.is_in
    assert ExternalIdentity.objects.get().user == prepared
    provider.claims["sub"] = "u-2"
    refused("An account of this name is here already")
    provider.claims["preferred_username"] = "otto"
    refused("There is no account here for you")
    configure(settings, provider, accounts="both")
    assert sign_in()[0].is_in


def test_a_superuser_connects_an_account_by_hand(provider: OidcProvider) -> None:
    boss, eva = person("boss", is_superuser=True, is_staff=True), person("eva")
    admin = Browser()
    admin.client.force_login(boss)
    address = "/admin/permissions/externalidentity/add/"
    made = admin.post(address, {"user": eva.pk, "issuer": provider.issuer, "subject": "u-1"})
    assert made.status_code == 302
    browser, _page = sign_in()
    assert browser.is_in
    assert User.objects.count() == 2
    clerk = Browser()
    clerk.client.force_login(person("clerk", is_staff=True))
    assert clerk.get(address).status_code == 403


def test_an_inactive_user_stays_outside(provider: OidcProvider) -> None:
    browser, _page = sign_in()
    User.objects.update(is_active=False)
    assert not browser.is_in
    refused("Your account here is inactive")


def test_groups_follow_the_provider_both_ways(provider: OidcProvider, settings: Any) -> None:
    configure(settings, provider, groups_claim="groups")
    for name in ("ops", "qa", "local"):
        Group.objects.create(name=name)

    def signed_in(*groups: str) -> set[str]:
        provider.claims["groups"] = list(groups)
        sign_in()
        return set(User.objects.get().groups.values_list("name", flat=True))

    assert signed_in("/ops", "unheard-of") == {"ops"}
    assert signed_in("qa", "ops") == {"qa", "ops"}
    assert signed_in() == set()
    assert Group.objects.count() == 3, "groups are never made"
    configure(settings, provider, groups_claim="groups", groups={"team-ops": "ops"})
    User.objects.get().groups.add(Group.objects.get(name="local"))
    assert signed_in("team-ops", "qa") == {"ops", "local"}
    assert signed_in("ops") == {"local"}
    del provider.claims["groups"]
    provider.userinfo = {"sub": "u-1", "groups": ["team-ops"]}
    sign_in()
    assert set(User.objects.get().groups.values_list("name", flat=True)) == {"ops", "local"}
    provider.userinfo = {"sub": "somebody-else", "groups": []}
    refused(UNVERIFIED)


def test_a_group_makes_administrators_and_its_loss_ends_that(provider: OidcProvider, settings: Any) -> None:
    configure(settings, provider, groups_claim="roles", admin_group="clarive-admins")
    provider.claims["roles"] = ["clarive-admins"]
    sign_in()
    user = User.objects.get()
    assert (user.is_superuser, user.is_staff) == (True, True)
    provider.claims["roles"] = []
    sign_in()
    user.refresh_from_db()
    assert user.is_superuser, "the last one stays"
    person("boss", is_superuser=True)
    sign_in()
    user.refresh_from_db()
    assert (user.is_superuser, user.is_staff) == (False, False)


def test_signing_out_ends_the_providers_session_too_where_that_is_wished_for(
    provider: OidcProvider, settings: Any
) -> None:
    browser, _page = sign_in()
    assert browser.post("/logout/")["Location"] == "/login/"
    configure(settings, provider, signs_out=True)
    browser, _page = sign_in()
    away = urlsplit(browser.post("/logout/")["Location"])
    assert f"{away.scheme}://{away.netloc}{away.path}" == f"{provider.issuer}/logout"
    query = parse_qs(away.query)
    assert query["post_logout_redirect_uri"] == ["http://testserver/login/"]
    assert query["id_token_hint"][0].count(".") == 2
    assert not browser.is_in
    provider.document = {"end_session_endpoint": None}
    client.forget()
    browser, _page = sign_in()
    assert browser.post("/logout/")["Location"] == "/login/"


def test_without_a_provider_there_is_no_button_and_no_session_of_it(
    provider: OidcProvider, settings: Any
) -> None:
    browser, _page = sign_in()
    settings.CLARIVE_OIDC = None
    assert not browser.is_in
    assert browser.get("/login/oidc/")["Location"] == "/login/"
    assert browser.get("/login/oidc/callback/?state=a&code=b")["Location"] == "/login/"
    assert "Keycloak" not in words(browser.get("/login/"))
    settings.CLARIVE_LOCAL_PASSWORDS = "administrators"


def test_where_passwords_are_for_administrators_the_provider_comes_first(
    provider: OidcProvider, settings: Any
) -> None:
    settings.CLARIVE_LOCAL_PASSWORDS = "administrators"
    page = Browser().get("/login/").content.decode()
    assert page.index("/login/oidc/") < page.index("<details") < page.index('name="password"')
    assert "/login/forgotten/" not in page

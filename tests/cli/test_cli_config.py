"""The configuration file: what it may hold, and how the rest is refused."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from cli_support import WriteConfig, config_writer, read_server

from oauthgrants import AuthorizationServer, HttpRequest, HttpResponse
from oauthgrants.cli import main
from oauthgrants.cli.config import load
from oauthgrants.cli.errors import ConfigError
from oauthgrants.grants.password import PasswordGrantWarning
from oauthgrants.jose import SigningKey
from oauthgrants.key_files import KeyDirectory

req = pytest.mark.req

# The file of the design, less what is not there yet.
DESIGN = """
issuer = "http://127.0.0.1:8000"       # plain http on loopback hosts only
store = "memory:"

[tokens]
format = "jwt"
access_token_lifetime = 3600           # seconds
refresh_token_lifetime = 2592000
refresh_grace = 0
signing_alg = "ES256"
signing_key_file = "signing.pem"
audience = "https://api.example.com"

[introspection]
jwt = true

[metadata]
service_documentation = "https://docs.example.com"

[grants]
client_credentials = true
password = true                        # writes the RFC 9700 warning to stderr
refresh_token = true

[client_authentication]
secret_methods_equal = false           # true: Basic and post for either registration (C-12)

[[clients]]
client_id = "reports"
client_secret = "7Fjfp0ZBr1KtDRbnfVdmIw"
client_secret_machine_made = true      # false: kept as Argon2id, a slow check on every call
client_secret_expires_at = 0
token_endpoint_auth_method = "client_secret_basic"
grant_types = ["client_credentials"]
scope = "reports:read reports:write"   # all it may have
default_scope = "reports:read"
resources = ["https://api.example.com"]
introspects = ["https://api.example.com"]
first_party = false
access_token_lifetime = 600

[[users]]
username = "alice"
password = "wonderland"
sub = "user-1"
scope = "profile reports:read"
active = true
"""

MINIMAL = """
issuer = "http://127.0.0.1:8000"
[grants]
client_credentials = true
"""

SECRETS = """
[[clients]]
client_id = "reports"
token_endpoint_auth_method = "client_secret_post"
grant_types = ["client_credentials"]
[[clients.client_secrets]]
id = "2025"
client_secret = "swordfish"
client_secret_expires_at = 32503680000
[[clients.client_secrets]]
id = "2026"
client_secret = "7Fjfp0ZBr1KtDRbnfVdmIw"
client_secret_machine_made = true
"""

CLIENT = """
[[clients]]
client_id = "reports"
client_secret = "swordfish"
client_secret_machine_made = true
grant_types = ["client_credentials"]
"""

USER = """
[[users]]
username = "alice"
password_hash = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA"
sub = "user-1"
"""


@pytest.fixture
def config(tmp_path: Path) -> WriteConfig:
    return config_writer(tmp_path)


def post(server: AuthorizationServer, **form: str) -> HttpResponse:
    return server.token(
        HttpRequest(
            method="POST",
            url=f"{server.issuer}/token",
            headers=[("Content-Type", "application/x-www-form-urlencoded")],
            body=urlencode(form).encode(),
        )
    )


def test_the_file_of_the_design_makes_a_server(tmp_path: Path) -> None:
    """With one warning, for the password grant."""
    with pytest.warns(PasswordGrantWarning, match=r"RFC 9700") as caught:
        server = read_server(DESIGN, tmp_path)

    assert 1 == len(caught)
    assert "http://127.0.0.1:8000/token" == server.token_endpoint
    assert ["signing.pem"] == [path.name for path in tmp_path.iterdir()]


def test_what_the_file_says_is_what_the_server_does() -> None:
    with pytest.warns(PasswordGrantWarning):
        server = read_server("""
            issuer = "http://localhost:8000"
            [tokens]
            access_token_lifetime = 120
            audience = ["https://a.example.com", "https://b.example.com"]
            [grants]
            password = true
            refresh_token = true
            client_credentials = false
            [client_authentication]
            secret_methods_equal = true
            [[clients]]
            client_id = "app"
            client_secret = "swordfish"
            client_secret_expires_at = 32503680000
            client_name = "The app"
            grant_types = ["password", "refresh_token", "client_credentials"]
            scope = "a b"
            default_scope = "a"
            first_party = true
            refresh_token_lifetime = 60
            secret_methods_equal = true
            [[clients]]
            client_id = "phone"
            token_endpoint_auth_method = "none"
            grant_types = ["password"]
            first_party = true
            [[users]]
            username = "alice"
            password = "wonderland"
            sub = "user-1"
            scope = ""
            [[users]]
            username = "bob"
            password = "builder"
            sub = "user-2"
            active = false
        """)
    app = {"client_id": "app", "client_secret": "swordfish"}
    alice = {"grant_type": "password", "username": "alice", "password": "wonderland"}

    # The empty scope of a user allows none.
    assert "invalid_scope" == post(server, **app, **alice).json()["error"]
    answer = post(server, client_id="phone", **alice).json()
    assert (120, None) == (answer["expires_in"], answer.get("scope"))
    bob = {"grant_type": "password", "username": "bob", "password": "builder"}
    assert "invalid_grant" == post(server, client_id="phone", **bob).json()["error"]
    off = post(server, **app, grant_type="client_credentials")
    assert "unsupported_grant_type" == off.json()["error"]


@pytest.mark.req("R6819-5.2.3.6-a")
def test_a_client_of_the_file_may_have_several_secrets() -> None:
    server = read_server(MINIMAL + SECRETS)

    statuses = [
        post(server, client_id="reports", client_secret=secret, grant_type="client_credentials")
        for secret in ("swordfish", "7Fjfp0ZBr1KtDRbnfVdmIw", "wrong")
    ]
    assert [200, 200, 401] == [answer.status for answer in statuses]


@pytest.mark.parametrize("allowed", [True, False])
def test_the_file_says_whether_keys_may_be_fetched_from_ones_own_network(allowed: bool) -> None:
    server = read_server(
        'issuer = "https://auth.example.com"\n[grants]\nclient_credentials = true\n'
        f"[client_authentication]\nallow_private_addresses = {str(allowed).lower()}\n"
    )

    found = {finding.rule for finding in server.check()}
    assert ("private-addresses" in found) is allowed


@pytest.mark.req("R6749-2.3.1-g")
def test_the_file_says_how_much_guessing_is_let_through() -> None:
    throttle = "[throttle]\nmax_failures = 2\nwindow = 7\ntoo_many_requests = true\n"
    method = 'token_endpoint_auth_method = "client_secret_post"\n'
    server = read_server(MINIMAL + throttle + CLIENT + method)
    statuses = [
        post(
            server, client_id="reports", client_secret="wrong", grant_type="client_credentials"
        ).status
        for _ in range(3)
    ]

    assert [429] == statuses[2:]


def test_a_secret_of_the_file_can_have_expired() -> None:
    expired = int((datetime.now(UTC) - timedelta(days=1)).timestamp())
    server = read_server(
        MINIMAL
        + CLIENT
        + f"""token_endpoint_auth_method = "client_secret_post"
        client_secret_expires_at = {expired}"""
    )
    credentials = {"client_id": "reports", "client_secret": "swordfish"}

    assert 401 == post(server, grant_type="client_credentials", **credentials).status


def test_a_secret_that_many_clients_would_garble_warns_with_its_place() -> None:
    text = MINIMAL + CLIENT.replace("swordfish", "sword+fish")

    with pytest.warns(UserWarning, match=r"^clients\[0\]: this client_secret reads"):
        read_server(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "issuer: is missing"),
        ("issuer = 1", "issuer: has to be a string, and not an empty one"),
        ('issuer = ""', "issuer: has to be a string, and not an empty one"),
        ('isuer = "https://a"', "isuer: unknown key; is it issuer?"),
        ('"x\\ny" = 1', "'x\\ny': unknown key; there are issuer, store, "),
        ('issuer = "http://me:pw@127.0.0.1"', "issuer: has to be an https URL of host, port"),
        ('issuer = "ftp://127.0.0.1"', "issuer: has to be an https URL of host, port"),
        ('issuer = "http://127.0.0.1:x"', "issuer: has to be an https URL of host, port"),
        ('issuer = "http://127.0.0.1:0"', "issuer: has to be an https URL of host, port"),
        ('issuer = "http://["', "issuer: has to be an https URL of host, port"),
        ('issuer = "http://127.0.0.1/a b"', "issuer: has to be an https URL of host, port"),
        ('issuer = "http://127.0.0.1/é"', "issuer: has to be an https URL of host, port"),
        (
            MINIMAL.replace("127.0.0.1", "auth.example.com"),
            "issuer 'http://auth.example.com:8000': plain http is for loopback hosts only",
        ),
        (MINIMAL.replace(":8000", "/?a=b"), "issuer 'http://127.0.0.1/?a=b' has to be a URL"),
        ("store = 1", "store: has to be a string, and not an empty one"),
        (
            'store = "memory"',
            "store: has to be memory:, or a URL that begins with sqlite:///, post",
        ),
        ('store = "mysql://me:pw@db/x"', "store: has to be memory:, or a URL that begins with sql"),
        ('store = "postgresql+asyncpg://me:pw@db/x"', "store: has to be memory:, or a URL that"),
        ('store = "sqlite://"', "store: has to name a file: sqlite:///oauth.db, or sqlite:////"),
        ('store = "sqlite://oauth.db"', "store: has to name a file: sqlite:///oauth.db, or sqli"),
        ('store = "sqlite:///:memory:"', "store: has to name a file: sqlite:///oauth.db, or sql"),
        ('store = "sqlite:///file:x?uri=true"', "store: has to name a file: sqlite:///oauth.db"),
        ('store = "sqlite:///x\\ny"', "store: has a character that no URL should have"),
        ('store = "postgresql://me:p/pw@db/x"', "store: is not the URL of a server; what else th"),
        ('store = "postgresql://me:p@pw@db/x"', "store: is not the URL of a server; what else th"),
        ('store = "postgresql://me:p pw@db/x"', "store: is not the URL of a server; what else th"),
        ('store = "postgresql://db:pw/x"', "store: is not the URL of a server; what else than let"),
        ('store = "redis://:p#pw@cache"', "store: is not the URL of a server; what else than lett"),
        ('store = "redis://cache:0"', "store: is not the URL of a server; what else than letters"),
        ("tokens = 1", "tokens: has to be a table, [tokens]"),
        ('[tokens]\nformat = "xml"', "tokens.format: has to be one of opaque, jwt"),
        ("[tokens]\naccess_token_lifetime = 0", "tokens.access_token_lifetime: has to be an int"),
        ("[tokens]\naccess_token_lifetime = 1.5", "tokens.access_token_lifetime: has to be an int"),
        ("[tokens]\naccess_token_lifetime = true", "tokens.access_token_lifetime: has to be an "),
        ("[tokens]\nrefresh_token_lifetime = 9999999999999999", "tokens.refresh_token_lifetime:"),
        ("[tokens]\nrefresh_grace = -1", "tokens.refresh_grace: has to be an integer from 0 to"),
        ("[tokens]\naudience = 1", "tokens.audience: has to be a list of strings"),
        ('[tokens]\naudience = [""]', "tokens.audience: has to be a string, and not an empty"),
        ('[grants]\npassword = "yes"', "grants.password: has to be true or false"),
        ("[grants]\nimplicit = true", "grants.implicit: unknown key; there are client_cred"),
        ('issuer = "https://a"', "grants: none is true; there are client_credentials, password"),
        (MINIMAL.replace("true", "false"), "grants: none is true; there are client_credentials"),
        (
            "[client_authentication]\naccept_endpoint_audience = 1",
            "client_authentication.accept_endpoint_audience: has to be true or false",
        ),
        ("metadata = 1", "metadata: has to be a table, [metadata]"),
        ("[metadata]\na = 1979-05-27", "metadata.a: has to be a string, a number, true"),
        ("[metadata]\na = [1, {b = inf}]", "metadata.a[1].b: has to be a finite number"),
        (
            f"[metadata]\n{'a.' * 3000}b = 1",
            f"metadata{'.a' * 21}: is nested deeper than 20 levels",
        ),
        (
            f"[metadata]\na = {'[' * 21}{']' * 21}",
            f"metadata.a{'[0]' * 20}: is nested deeper than 20 levels",
        ),
        ("[introspection]\njwt = 1", "introspection.jwt: has to be true or false"),
        ("throttle = 1", "throttle: has to be a table, [throttle]"),
        ("[throttle]\nmax_failures = 0", "throttle.max_failures: has to be an integer from 1 to"),
        (
            '[[users]]\nusername = "a"\nsub = "b"\ntotp_secret = "x"',
            "users[0].totp_secret: has to be base32 of 128",
        ),
        ("[throttle]\nwindow = 0", "throttle.window: has to be an integer from 1 to"),
        ("[throttle]\nmax_tries = 1", "throttle.max_tries: unknown key; is it max_failures?"),
        (
            MINIMAL + "[throttle]\nlongest_wait = 34560000",
            "throttle: an AttemptLimit takes max_failures from 1 to 1000000, a window longer",
        ),
        ("[clients]", "clients: has to be an array of tables, [[clients]]"),
        ("clients = [1]", "clients[0]: has to be a table"),
        ("[[clients]]", "clients[0].client_id: is missing"),
        ('[[clients]]\nclient_id = "é"', "clients[0].client_id: has to be of printable ASCII"),
        (
            CLIENT + '[[clients]]\nclient_id = "reports"',
            "clients[1].client_id: is the same as that of clients[0]",
        ),
        (CLIENT + "grant_type = 1", "clients[0].grant_type: unknown key; is it grant_types?"),
        (
            CLIENT.replace('["client_credentials"]', '"password"'),
            "clients[0].grant_types: has to be a list of strings",
        ),
        (
            CLIENT.replace('["client_credentials"]', '["implicit"]'),
            "clients[0].grant_types: may have client_credentials, password, refresh_token and",
        ),
        (
            CLIENT + 'token_endpoint_auth_method = "client_secret_digest"',
            "clients[0].token_endpoint_auth_method: has to be one of client_secret_basic, ",
        ),
        (
            MINIMAL + CLIENT + 'token_endpoint_auth_method = "private_key_jwt"',
            "clients[0].client_secret: does not go with token_endpoint_auth_method private_key_jwt",
        ),
        (
            MINIMAL + CLIENT + 'token_endpoint_auth_method = "client_secret_jwt"',
            "clients[0]: client_secret has to be 32 or more printable ASCII characters for HS256",
        ),
        (
            MINIMAL
            + '[[clients]]\nclient_id = "a"\ntoken_endpoint_auth_method = "private_key_jwt"\n'
            + 'jwks = "{}"\njwks_uri = "https://a.example"',
            "clients[0]: client 'a': jwks and jwks_uri do not go together",
        ),
        (
            MINIMAL + SECRETS.replace("[[clients.", 'client_secret = "x"\n[[clients.', 1),
            "clients[0].client_secret: does not go with client_secrets, which have their own",
        ),
        (
            MINIMAL + SECRETS.replace("client_secret_post", "none"),
            "clients[0].client_secrets: does not go with token_endpoint_auth_method none",
        ),
        (
            MINIMAL + SECRETS.replace("2026", "2025"),
            "clients[0].client_secrets[1].id: is the same as that of clients[0].client_secrets[0]",
        ),
        (CLIENT + "jwks = 1", "clients[0].jwks: has to be a table"),
        (CLIENT + 'scope = "a  b"', "clients[0].scope: the scope is malformed"),
        (CLIENT + 'resources = ["api"]', "clients[0].resources: has to be of absolute URIs"),
        (CLIENT + 'resources = ["x:y#z"]', "clients[0].resources: has to be of absolute URIs"),
        (CLIENT + 'resources = ["http://["]', "clients[0].resources: has to be of absolute URIs"),
        (CLIENT + "introspects = [1]", "clients[0].introspects: has to be a string, and not"),
        (
            CLIENT + "client_secret_expires_at = 253402300800",
            "clients[0].client_secret_expires_at: has to be an integer from 0 to 253402300799",
        ),
        (
            MINIMAL + CLIENT + 'default_scope = "a"',
            "clients[0]: client 'reports': default_scope has to lie within scope",
        ),
        (
            MINIMAL + '[[clients]]\nclient_id = "reports"',
            "clients[0].client_secret: is missing",
        ),
        (
            MINIMAL + CLIENT + 'token_endpoint_auth_method = "none"',
            "clients[0].client_secret: does not go with token_endpoint_auth_method none",
        ),
        (
            MINIMAL
            + '[[clients]]\nclient_id = "a"\ntoken_endpoint_auth_method = "none"'
            + "\nclient_secret_machine_made = true",
            "clients[0].client_secret_machine_made: does not go with token_endpoint_auth_method",
        ),
        ("[[users]]", "users[0].username: is missing"),
        ('[[users]]\nusername = "alice"', "users[0].sub: is missing"),
        (
            '[[users]]\nusername = "a\\nb"\nsub = "s"',
            "users[0].username: has a character that is not allowed",
        ),
        (
            USER + USER.replace("user-1", "user-2"),
            "users[1].username: is the same as that of users[0]",
        ),
        (USER + USER.replace("alice", "bob"), "users[1].sub: is the same as that of users[0]"),
        (
            MINIMAL + CLIENT + USER.replace("user-1", "reports"),
            "users[0].sub: sub 'reports' is a client_id",
        ),
        (
            MINIMAL + USER + 'password = "swordfish"',
            "users[0].password: either it or password_hash is needed, and not both",
        ),
        (
            MINIMAL + '[[users]]\nusername = "alice"\nsub = "user-1"',
            "users[0].password: either it or password_hash is needed, and not both",
        ),
        (
            USER.replace("argon2id", "swordfish"),
            "users[0].password_hash: is not a PHC string of Argon2id",
        ),
        (
            USER + f'password = "swordfish{"x" * 1024}"',
            "users[0].password: has to be 1024 octets in UTF-8 at most",
        ),
        ("issuer = ", "is not TOML: Invalid value (at end of document)"),
        ('issuer = "swordfish', "is not TOML: "),
        (f"issuer = {'9' * 5000}", "is not TOML: "),
        (f"issuer = {'[' * 5000}", "is not TOML: "),
    ],
)
def test_what_may_not_be_is_refused_with_its_key(
    text: str,
    message: str,
    config: WriteConfig,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Status 2, one line, without the value of any secret."""
    path = config(text)

    assert 2 == main(["serve", "--config", path])

    out, err = capsys.readouterr()
    assert "" == out
    assert err.startswith(f"oauthgrants: {path}: {message}")
    assert 1 == err.count("\n")
    assert "swordfish" not in err
    assert "pw" not in err


def test_a_file_that_is_not_there_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "no.toml"

    assert 2 == main(["serve", "--config", str(path)])

    assert (
        f"oauthgrants: {path}: cannot be read: No such file or directory\n"
        == capsys.readouterr().err
    )


def test_a_file_that_is_not_text_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes('issuer = "é"'.encode("latin-1"))

    assert 2 == main(["serve", "--config", str(path)])

    assert f"oauthgrants: {path}: cannot be read: it is not UTF-8\n" == capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(set(re.findall(r"(?m)^(\w+) =", DESIGN))))
def test_each_key_is_refused_with_a_value_of_another_type(name: str, tmp_path: Path) -> None:
    """A moment is no key's type."""
    lines = [
        f"{name} = 1979-05-27T07:32:00Z" if line.startswith(f"{name} =") else line
        for line in DESIGN.splitlines()
    ]
    with pytest.raises(ConfigError) as refused:
        read_server("\n".join(lines), tmp_path)

    assert f"{name}: has to be" in str(refused.value)
    assert [] == list(tmp_path.iterdir())


# What signs

JWT = """
issuer = "http://127.0.0.1:8000"
[grants]
client_credentials = true
[tokens]
format = "jwt"
audience = "https://api.example.com"
signing_key_file = "signing.pem"
"""
RSA_KEY = SigningKey.generate("RS256")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            JWT.replace('signing_key_file = "signing.pem"', ""),
            "tokens.signing_key_file: is missing: format jwt takes it",
        ),
        (
            JWT.replace('audience = "https://api.example.com"', ""),
            "tokens.audience: is missing: format jwt takes it, as no token is without aud",
        ),
        (
            JWT.replace('audience = "https://api.example.com"', "audience = []"),
            "tokens.audience: is missing: format jwt takes it, as no token is without aud",
        ),
        (
            MINIMAL + "[introspection]\njwt = true",
            "tokens.signing_key_file: is missing: introspection.jwt takes it",
        ),
        (
            MINIMAL + '[tokens]\nsigning_alg = "ES256"',
            "tokens.signing_key_file: is missing: signing_alg takes it",
        ),
        (JWT + 'signing_alg = "HS256"', "tokens.signing_alg: has to be one of ES256, ES256K, "),
        (JWT + 'signing_alg = "none"', "tokens.signing_alg: has to be one of ES256, ES256K, "),
        (
            JWT.replace("signing.pem", "rsa.pem"),
            "tokens.signing_key_file: the file holds no private key for ES256 in PEM",
        ),
        (
            JWT.replace("signing.pem", "garbage.pem"),
            "tokens.signing_key_file: the file holds no private key for ES256 in PEM",
        ),
        (
            JWT.replace("signing.pem", "empty"),
            "tokens.signing_key_file: {folder}/empty has no keys; `oauthgrants keys make` makes",
        ),
        (
            JWT.replace("signing.pem", "keys") + 'signing_alg = "ES256"',
            "tokens.signing_alg: does not go with a directory as signing_key_file",
        ),
        (
            JWT.replace("signing.pem", "no/signing.pem"),
            "tokens.signing_key_file: cannot be read or made: No such file or directory",
        ),
        (
            JWT.replace("signing.pem", "-----BEGIN PRIVATE KEY-----\\nMC4CAQ"),
            "tokens.signing_key_file: has a character that no path should have",
        ),
        (
            JWT + '[metadata]\nop_policy_uri = "a"\njwks_uri = "b"\nissuer = "c"',
            "metadata.issuer: is generated from what is wired",
        ),
    ],
)
def test_what_cannot_sign_is_refused_with_its_key(
    text: str,
    message: str,
    config: WriteConfig,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "rsa.pem").write_bytes(RSA_KEY.to_pem())
    (tmp_path / "garbage.pem").write_text("swordfish")
    (tmp_path / "empty").mkdir()
    KeyDirectory.make(tmp_path / "keys")
    path = config(text)

    assert 2 == main(["serve", "--config", path])

    err = capsys.readouterr().err
    assert err.startswith(f"oauthgrants: {path}: {message.format(folder=tmp_path)}")
    assert 1 == err.count("\n")
    assert "swordfish" not in err
    assert "MC4CAQ" not in err


def test_a_key_file_is_where_the_configuration_is(
    tmp_path: Path, config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the command is run; an absolute path is what it says."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    first, second = (load(Path(config(JWT))).server for _ in range(2))
    load(Path(config(JWT.replace("signing.pem", str(elsewhere / "absolute.pem")))))

    assert first.jwks() == second.jwks()
    assert 1 == len(first.jwks()["keys"])
    assert {"oauth.toml", "signing.pem", "elsewhere"} == {each.name for each in tmp_path.iterdir()}
    assert ["absolute.pem"] == [each.name for each in elsewhere.iterdir()]


@pytest.mark.parametrize(("line", "algorithm"), [("", "ES256"), ('signing_alg = "PS256"', "PS256")])
def test_a_key_of_ones_own_signs(tmp_path: Path, line: str, algorithm: str) -> None:
    key = RSA_KEY if line else SigningKey.generate("ES256")
    (tmp_path / "signing.pem").write_bytes(key.to_pem())
    server = read_server(JWT + line + CLIENT, tmp_path)

    (published,) = server.jwks()["keys"]

    assert (key.kid, algorithm) == (published["kid"], published["alg"])


def test_opaque_tokens_may_have_keys_beside_them(tmp_path: Path) -> None:
    """For signed introspection, and for the JWTs from before."""
    text = JWT.replace("jwt", "opaque").replace('audience = "https://api.example.com"', "")
    server = read_server(
        f"{text}[introspection]\njwt = true\n"
        f'{CLIENT}token_endpoint_auth_method = "client_secret_post"',
        tmp_path,
    )
    client = {"client_id": "reports", "client_secret": "swordfish"}
    token = post(server, grant_type="client_credentials", **client).json()["access_token"]

    assert token.startswith("ogat_")
    assert server.metadata()["jwks_uri"] == "http://127.0.0.1:8000/jwks.json"
    assert ["ES256"] == server.metadata()["introspection_signing_alg_values_supported"]


@req("R8414-2-g")
def test_further_metadata_are_published_as_they_are() -> None:
    server = read_server(
        MINIMAL
        + """
        [metadata]
        service_documentation = "https://docs.example.com"
        ui_locales_supported = ["de", "en"]
        "https://example.com/x y" = {a = [1, 2.5, true, {}]}
        """
    )

    document = server.handle(
        HttpRequest(
            method="GET", url="http://127.0.0.1:8000/.well-known/oauth-authorization-server"
        )
    ).json()

    assert document["service_documentation"] == "https://docs.example.com"
    assert document["ui_locales_supported"] == ["de", "en"]
    assert document["https://example.com/x y"] == {"a": [1, 2.5, True, {}]}
    assert document["token_endpoint"] == "http://127.0.0.1:8000/token"


def test_jwts_say_what_they_need(
    tmp_path: Path,
    config: WriteConfig,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And what issues opaque tokens does without."""
    for name in ("oauthgrants.jose", "oauthgrants.keys", "oauthgrants.key_files"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "joserfc.errors", None)

    load(Path(config(MINIMAL)))
    assert 1 == main(["serve", "--config", config(JWT)])

    assert capsys.readouterr().err == (
        "oauthgrants: JWTs need joserfc: pip install 'oauthgrants[jwt]'\n"
    )
    assert ["oauth.toml"] == [each.name for each in tmp_path.iterdir()]

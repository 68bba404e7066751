"""Settings that would be unsafe cannot even be made."""

from pathlib import Path

import pytest

from dataplane.api.settings import TOKEN_VARIABLE, Settings, SettingsError, host_name, read_token

TOKEN = "0123456789abcdef"  # noqa: S105 - a test's own
TLS = {"certificate": Path("cert.pem"), "key": Path("key.pem")}


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.8.9.10", "::1", "[::1]", "LocalHost"]
)
def test_loopback_needs_nothing(host):
    settings = Settings(host=host)
    assert settings.port == 8464
    assert settings.admits(None)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "fe80::1%lo", "::ffff:127.0.0.1"],
)
def test_beyond_loopback_needs_a_token_and_tls(host):
    with pytest.raises(SettingsError, match="token"):
        Settings(host=host)
    with pytest.raises(SettingsError, match="token"):
        Settings(host=host, insecure_http=True)
    with pytest.raises(SettingsError, match="token"):
        Settings(host=host, **TLS)
    with pytest.raises(SettingsError, match="insecure-http"):
        Settings(host=host, token=TOKEN)
    assert Settings(host=host, token=TOKEN, insecure_http=True).scheme == "http"
    assert Settings(host=host, token=TOKEN, **TLS).scheme == "https"


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"host": "example.org"}, "address"),
        ({"host": "127.1"}, "address"),
        ({"host": ""}, "address"),
        ({"port": -1}, "port"),
        ({"port": 65536}, "port"),
        ({"token": "short"}, "16 characters"),
        ({"token": TOKEN + "\n"}, "RFC 6750"),
        ({"token": TOKEN + " x"}, "RFC 6750"),
        ({"certificate": Path("cert.pem")}, "both"),
        ({"key": Path("key.pem")}, "both"),
        ({"allow_hosts": ("*",)}, "bare host name"),
        ({"allow_hosts": ("http://a.example",)}, "bare host name"),
        ({"allow_hosts": ("a.example:80",)}, "bare host name"),
        ({"allow_hosts": ("",)}, "bare host name"),
        ({"max_connections": 0}, "at least 1"),
        ({"event_queue": 0}, "at least 1"),
        ({"idle_timeout": 0.0}, "longer"),
        ({"write_timeout": -1.0}, "longer"),
    ],
)
def test_what_cannot_work_is_refused_with_a_reason(fields, word):
    with pytest.raises(SettingsError, match=word) as refused:
        Settings(**fields)
    assert isinstance(refused.value, ValueError)


def test_the_token_is_in_no_text():
    assert TOKEN not in repr(Settings(token=TOKEN))


@pytest.mark.parametrize(
    ("given", "admitted"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer  {TOKEN} ", True),
        (f"Bearer {TOKEN}0", False),
        (f"Basic {TOKEN}", False),
        (TOKEN, False),
        ("Bearer", False),
        ("", False),
        (None, False),
        ("Bearer \udcff\u20ac", False),
    ],
)
def test_only_the_token_is_admitted(given, admitted):
    assert Settings(token=TOKEN).admits(given) is admitted


def test_a_token_comes_from_the_file_else_from_the_environment(tmp_path):
    file = tmp_path / "token"
    file.write_text(f"  {TOKEN}\n")
    environment = {TOKEN_VARIABLE: " fedcba9876543210 "}
    assert read_token(file, environment) == TOKEN
    assert read_token(None, environment) == "fedcba9876543210"
    assert read_token(None, {}) is None
    assert read_token(None, {TOKEN_VARIABLE: ""}) is None


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 40, b"two words of a token"])
def test_a_useless_token_file_is_refused(tmp_path, content):
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(SettingsError) as refused:
        read_token(file, {})
    assert "two words" not in str(refused.value)
    with pytest.raises(SettingsError, match="nowhere"):
        read_token(tmp_path / "nowhere", {})


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Example.ORG.", "example.org"),
        ("[2001:DB8::0:1]", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("node_1.local", "node_1.local"),
    ],
)
def test_names_have_one_form(text, name):
    assert host_name(text) == name
    assert name in Settings(allow_hosts=(text,)).hosts

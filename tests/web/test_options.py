"""Tests of how the page is served."""

import socket

import pytest

from neural_style.cli import web_command
from neural_style.errors import UsageError
from neural_style.web import program
from neural_style.web.options import AUTH_VARIABLE, FIRST_PORT, Served, is_loopback, served


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "LOCALHOST", "::1", "[::1]"])
def test_this_machine_alone_needs_no_password(host):
    assert is_loopback(host)
    assert Served(host=host).credentials is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org", "2130706433"])
def test_others_need_a_password_or_are_let_in_aloud(host):
    with pytest.raises(UsageError, match=r"^host: expected a user and a password .*NEURAL_STYLE_AUTH.*--no_auth"):
        Served(host=host)
    assert Served(host=host, auth="ann:secret:with colon").credentials == ("ann", "secret:with colon")
    assert Served(host=host, no_auth=True).credentials is None


def test_a_page_behind_a_proxy_is_public():
    assert not Served().is_public
    with pytest.raises(UsageError, match=r"^host: expected a user and a password .* got 'styles\.example' alone"):
        Served(allow_host="styles.example")
    assert Served(allow_host="styles.example", auth="ann:secret").is_public


@pytest.mark.parametrize("auth", ["ann", "ann:", ":secret", ":"])
def test_a_password_has_a_user(auth):
    with pytest.raises(UsageError, match=r"^auth: expected USER:PASSWORD, got no such pair"):
        Served(auth=auth)


def test_a_password_and_none_contradict_each_other():
    with pytest.raises(UsageError, match=r"^no_auth: "):
        Served(auth="ann:secret", no_auth=True)


def test_the_password_may_come_from_the_environment(monkeypatch):
    monkeypatch.setenv(AUTH_VARIABLE, "ann:from there")
    assert served({}).credentials == ("ann", "from there")
    assert served({"auth": "bob:given"}).credentials == ("bob", "given")
    assert served({"no_auth": True}).credentials is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"port": 0}, "port: expected a whole number 1 to 65535, got 0"),
        ({"max_upload": "lots"}, "max_upload: expected auto or a size such as"),
        ({"max_upload": "auto"}, "max_upload: expected a size such as 100MB"),
        ({"max_side": 100}, "max_side: expected a whole number >= 512"),
        ({"max_jobs": 0}, "max_jobs: "),
    ],
)
def test_wrong_values_are_one_sentence(values, message):
    with pytest.raises(UsageError, match=f"^{message}"):
        Served(**values)


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"^port: expected a free one, got {port}, which another program uses"):
            program.listen(Served(port=port))


def test_without_a_port_the_next_free_one_is_taken():
    first = program.listen(Served())
    with first, program.listen(Served()) as second:
        ports = [each.getsockname()[1] for each in (first, second)]
        assert FIRST_PORT <= ports[0] < ports[1]


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(UsageError, match=r"^host: expected an address of this machine, got '192\.0\.2\.1'"):
        program.listen(Served(host="192.0.2.1", no_auth=True, port=18765))


def test_a_missing_gradio_is_said_with_the_command(monkeypatch):
    monkeypatch.setattr(program.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"^web: expected Gradio, which is not installed; pip install"):
        program.check(Served())


def test_pictures_of_others_need_a_pillow_without_known_flaws(monkeypatch):
    monkeypatch.setattr(program.importlib.metadata, "version", lambda name: "12.3.0")
    program.check(Served())
    with pytest.raises(UsageError, match=r"^host: expected Pillow 13 or later .* got Pillow 12\.3\.0"):
        program.check(Served(host="0.0.0.0", no_auth=True))
    monkeypatch.setattr(program.importlib.metadata, "version", lambda name: "13.0.0")
    program.check(Served(host="0.0.0.0", no_auth=True))


def test_unknown_flags_are_refused():
    with pytest.raises(UsageError, match="web: unknown flag --share"):
        list(web_command.run(["--share"]))

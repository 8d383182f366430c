from pathlib import Path

import pytest

from trio_gateway.config import environment_config, is_loopback, load, validate
from trio_gateway.errors import ConfigError

KEY = "sk-very-secret-value"

FULL = """
[server]
bind = "127.0.0.1:18789"
max_body_bytes = 33554432

[auth]
tokens = ["env:TRIO_GATEWAY_TOKEN", "second-token"]

[timeouts]
connect_s = 5
first_event_s = 120
gap_s = 60
total_s = 600

[channels.openai]
provider = "openai"
api_key = "env:OPENAI_API_KEY"
models = ["gpt-*", "o3*", "o4*"]
timeouts = { gap_s = 7.5 }

[channels.local]
provider = "ollama"
base_url = "http://127.0.0.1:11434"
models = ["*"]
"""
ENVIRON = {"TRIO_GATEWAY_TOKEN": "first-token", "OPENAI_API_KEY": KEY}


def problems_of(text: str, tmp_path: Path, environ: dict[str, str] | None = None) -> list[str]:
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path, ENVIRON if environ is None else environ)
    assert all(line.startswith(str(path)) for line in caught.value.problems)
    return [line.removeprefix(f"{path}: ") for line in caught.value.problems]


def test_the_documented_file_loads_with_its_secrets_resolved(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(FULL)
    config = load(path, ENVIRON)
    assert [token.reveal() for token in config.auth.tokens] == ["first-token", "second-token"]
    assert list(config.channels) == ["openai", "local"]
    openai = config.channels["openai"]
    assert openai.api_key is not None
    assert openai.api_key.reveal() == KEY
    assert openai.timeouts.over(config.timeouts).gap_s == 7.5
    assert openai.timeouts.over(config.timeouts).total_s == 600


def test_a_secret_shows_in_no_repr_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(FULL)
    shown = repr(load(path, ENVIRON)) + str(load(path, ENVIRON)) + f"{load(path, ENVIRON).auth.tokens[0]}"
    assert KEY not in shown
    assert "second-token" not in shown
    assert "env:OPENAI_API_KEY" in shown


def test_every_problem_is_told_at_once_with_its_key_path_and_what_is_allowed(tmp_path: Path) -> None:
    told = problems_of(
        """
[server]
bind = 5
max_body_byte = 1
[timeouts]
gap_s = 0
[channels.a]
provider = "opnai"
[channels.b]
provider = "openai_compatible"
models = []
[channels.c]
modles = ["x"]
""",
        tmp_path,
    )
    assert told == [
        "server.bind: must be a text or a list, each a text",
        "server.max_body_byte: is unknown; did you mean max_body_bytes?",
        "timeouts.gap_s: must be a number, more than 0 and at most 86400",
        "channels.a.provider: must be one of openai, anthropic, gemini, ollama, openai_compatible",
        "channels.b.models: must be a list, each a text",
        "channels.c.modles: is unknown; did you mean models?",
        "channels.c.provider: is required: one of openai, anthropic, gemini, ollama, openai_compatible",
    ]


def test_a_value_is_never_quoted_since_it_may_be_a_secret(tmp_path: Path) -> None:
    told = problems_of(f'[channels.a]\nprovider = "{KEY}"\napikey = "{KEY}"\n', tmp_path)
    assert KEY not in "".join(told)


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("env:NOT_THERE", "the environment variable NOT_THERE is not set"),
        ("file:nothing-here", "cannot be read"),
        ("", "it is empty"),
    ],
)
def test_a_reference_that_leads_nowhere_is_a_problem(reference: str, reason: str, tmp_path: Path) -> None:
    (told,) = problems_of(f'[auth]\ntokens = ["{reference}"]\n[channels.a]\nprovider="ollama"', tmp_path)
    assert told.startswith("auth.tokens[0]: ")
    assert reason in told


def test_a_secret_in_a_file_is_read_relative_to_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-a-file\n")
    path = tmp_path / "gateway.toml"
    path.write_text('[channels.a]\nprovider = "anthropic"\napi_key = "file:key"\n')
    key = load(path, {}).channels["a"].api_key
    assert key is not None
    assert key.reveal() == "from-a-file"


def test_a_secret_that_cannot_stand_in_a_header_is_a_problem(tmp_path: Path) -> None:
    (told,) = problems_of(
        '[channels.a]\nprovider = "anthropic"\napi_key = "env:KEY"\n', tmp_path, {"KEY": "two\r\nlines"}
    )
    assert "line ends" in told
    assert "two" not in told


@pytest.mark.parametrize("bind", ["0.0.0.0:80", "[::]:80", "192.168.1.2:80", "gateway.example:80"])
def test_a_bind_beyond_this_machine_needs_a_token(bind: str) -> None:
    document = {"server": {"bind": bind}, "channels": {"a": {"provider": "ollama"}}}
    with pytest.raises(ConfigError, match=r"server\.bind: .*needs a token"):
        validate(document, {}, "test", Path())
    assert validate(document, {"TRIO_GATEWAY_TOKEN": "t"}, "test", Path()).auth.tokens


@pytest.mark.parametrize("bind", ["127.0.0.1:1", "[::1]:1", "localhost:1", "unix:/tmp/x", "127.9.9.9:1"])
def test_a_bind_on_this_machine_needs_none(bind: str) -> None:
    assert is_loopback(bind)


def test_the_other_token_variable_stands_in_for_an_absent_one() -> None:
    channels = {"channels": {"a": {"provider": "ollama"}}}
    other = {"OPENCLAW_GATEWAY_TOKEN": "other"}
    assert validate(channels, other, "test", Path()).auth.tokens[0].reveal() == "other"
    both = {**other, "TRIO_GATEWAY_TOKEN": "ours"}
    assert validate(channels, both, "test", Path()).auth.tokens[0].reveal() == "ours"
    named = {**channels, "auth": {"tokens": ["env:TRIO_GATEWAY_TOKEN"]}}
    assert validate(named, other, "test", Path()).auth.tokens[0].reveal() == "other"


def test_channels_come_from_the_environment_where_there_is_no_file() -> None:
    keys = {"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY, "GEMINI_API_KEY": KEY}
    config = environment_config(keys, ["llama3"])
    assert [(name, channel.provider) for name, channel in config.channels.items()] == [
        ("openai", "openai"),
        ("anthropic", "anthropic"),
        ("gemini", "gemini"),
        ("ollama", "ollama"),
    ]
    assert config.channels["ollama"].models == ["llama3", "*"]
    assert environment_config({}, None).channels == {}


def test_googles_key_goes_by_two_names_and_the_first_wins() -> None:
    both = {"GOOGLE_API_KEY": KEY, "GEMINI_API_KEY": "other", "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9"}
    channel = environment_config(both, None).channels["gemini"]
    assert [key.reveal() for key in channel.keys] == [KEY]
    assert channel.base_url == "http://127.0.0.1:9"


def test_what_is_not_toml_or_not_there_is_one_problem(tmp_path: Path) -> None:
    assert "is not TOML" in problems_of("[server\n", tmp_path)[0]
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "absent.toml", {})


def test_the_problems_of_one_table_do_not_hide_those_of_another(tmp_path: Path) -> None:
    text = (
        '[server]\nworker = 2\n[channels.a]\nprovider = "opnai"\n[channels.b]\nprovider = "anthropic"\nbase_url = "x"\n'
    )
    told = problems_of(text, tmp_path)
    assert [line.split(": ")[0] for line in told] == [
        "server.worker",
        "channels.a.provider",
        "channels.b.base_url",
        "channels.b.api_key",
    ]


@pytest.mark.parametrize("bind", ["nonsense", "127.0.0.1", "::1:80", "127.0.0.1:http", ""])
def test_a_bind_of_no_known_form_is_told_as_that(bind: str) -> None:
    with pytest.raises(ConfigError, match=r"^test: server\.bind: must be host:port"):
        validate({"server": {"bind": bind}}, {}, "test", Path())


def test_several_workers_need_a_port_that_is_named() -> None:
    with pytest.raises(ConfigError, match=r"server\.bind: must name a port"):
        validate({"server": {"bind": "127.0.0.1:0", "workers": 2}}, {}, "test", Path())
    validate({"server": {"bind": "127.0.0.1:0", "workers": 1}}, {}, "test", Path())

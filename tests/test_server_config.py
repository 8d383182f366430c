"""The `[server]` table: its defaults, and what msgspec refuses by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from trio_gateway.server_config import ServerConfig


def test_an_empty_table_is_a_configuration_of_the_loopback_only():
    config = msgspec.convert({}, ServerConfig)
    assert config == ServerConfig()
    assert config.bind == "127.0.0.1:18789"
    assert not config.http2


def test_every_setting_is_documented():
    source = msgspec.inspect.type_info(ServerConfig)
    text = Path(sys.modules[ServerConfig.__module__].__file__).read_text()
    for field in source.fields:
        assert f"\n    {field.name}: " in text
        after = text.split(f"\n    {field.name}: ", 1)[1].split("\n", 1)[1]
        assert after.lstrip().startswith('"""'), field.name


@pytest.mark.parametrize(
    "table",
    [
        {"bnid": "127.0.0.1:1"},
        {"workers": 0},
        {"max_body_bytes": -1},
        {"header_max_bytes": 255},
        {"header_count_max": 0},
        {"header_s": 0},
        {"body_s": 0},
        {"idle_s": 0},
        {"write_stall_s": 0},
        {"requests_per_connection_max": -1},
        {"connections_max": 0},
        {"connections_per_address_max": -1},
        {"backlog": 0},
        {"drain_s": -1},
        {"bind": 18789},
    ],
)
def test_what_makes_no_sense_is_refused(table):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(table, ServerConfig)


def test_several_binds_may_be_given():
    assert msgspec.convert({"bind": ["127.0.0.1:1", "unix:/run/g"]}, ServerConfig).bind == [
        "127.0.0.1:1",
        "unix:/run/g",
    ]


def test_importing_the_settings_imports_nothing_that_serves():
    code = "import sys, trio_gateway.server_config; sys.exit('trio' in sys.modules or 'hypercorn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

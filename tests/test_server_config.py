"""How the server is set up: environment, options, and what the command line makes of them."""

from __future__ import annotations

import importlib.util

import pytest

from blur_tools import SettingsError
from blur_tools.cli import main
from blur_tools.server import run
from blur_tools.server.app import _Server
from blur_tools.server.config import VENDOR, ServerConfig, server_parameters

ENVIRONMENT = {
    "PLATES": "10", "FACES": "7", "LOGO": "/logos/a.png", "SHAPE": "square", "REGIONS": "fr, gb", "SKIP_REGEXP": "^ab",
    "CONFIG": '{"mode": "fast"}', "CAMERA_ID": "cam", "COPY_METADATA": "true", "FACE_MAX_RESOLUTION": "640",
    "SDK_URL": "http://localhost:8080", "TOKEN": "abc", "WORKERS": "3", "LOGGING": "debug", "LICENSE_KEY": "x",
}  # fmt: skip


def test_the_vendors_names():
    config = ServerConfig.of(ENVIRONMENT)
    settings = config.settings
    assert (settings.plates, settings.faces, settings.logo, settings.shape) == (10, 7, "/logos/a.png", "square")
    assert (settings.regions, settings.skip_regexp, settings.config) == (("fr", "gb"), ("^ab",), {"mode": "fast"})
    assert (settings.camera_id, settings.copy_metadata, settings.face_max_resolution) == ("cam", True, 640)
    assert (config.sdk_url, config.snapshot_token, config.workers) == ("http://localhost:8080", "abc", 3)
    assert config.log_level == "DEBUG"
    assert "abc" not in repr(config)


def test_nothing_said_is_the_vendors_default():
    config = ServerConfig.of({})
    assert config.settings.to_dict() == {}
    assert (config.settings.intensity("plate"), config.settings.intensity("face")) == (0, 0)
    assert (config.host, config.port, config.sdk_url, config.required_token) == ("127.0.0.1", 8001, None, None)
    assert ServerConfig.of({"PLATES": "", "WORKERS": " ", "LOGGING": ""}) == config


def test_options_override_the_environment():
    config = ServerConfig.of(ENVIRONMENT, plates=0, workers=1, log_level="ERROR", sdk_url=None, effect="fill")
    assert (config.settings.plates, config.settings.faces, config.settings.effect) == (0, 7, "fill")
    assert (config.workers, config.log_level, config.sdk_url) == (1, "ERROR", "http://localhost:8080")


def test_the_logo_of_the_folder_is_taken_by_itself_unless_there_is_to_be_none(tmp_path):
    assert ServerConfig.of({}, logos=tmp_path).settings.logo is None
    (tmp_path / "logo.png").write_bytes(b"logo")
    assert ServerConfig.of({}, logos=tmp_path).settings.logo == "/logos/logo.png"
    assert ServerConfig.of({"LOGO": ""}, logos=tmp_path).settings.logo is None
    assert ServerConfig.of({"LOGO": "/logos/b.png"}, logos=tmp_path).settings.logo == "/logos/b.png"


@pytest.mark.parametrize(
    ("environment", "options", "message"),
    [
        ({"PLATES": "11"}, {}, "plates: 11 is not between"),
        ({"FACES": "many"}, {}, "faces: many is not a number"),
        ({"WORKERS": "two"}, {}, "WORKERS: two is not a number"),
        ({"WORKERS": "0"}, {}, "workers: must be 1 or more"),
        ({"LOGGING": "LOUD"}, {}, "LOGGING: LOUD is none of"),
        ({"SDK_URL": "localhost:8080"}, {}, "SDK_URL: is no http or https URL"),
        ({"SKIP_REGEXP": "("}, {}, "skip_regexp"),
        ({"CONFIG": "[]"}, {}, "config"),
        ({}, {"port": 65536}, "port"),
        ({}, {"rate": 0}, "rate"),
        ({}, {"rate": float("nan")}, "rate"),
        ({}, {"required_token": ""}, "require-token: no token is given: set BLUR_TOOLS_SERVER_TOKEN"),
        ({}, {"required_token": "schlüssel"}, "require-token: BLUR_TOOLS_SERVER_TOKEN is not one word"),
        ({}, {"required_token": "two words"}, "require-token: BLUR_TOOLS_SERVER_TOKEN is not one word"),
        ({}, {"snapshot_rate": -1}, "snapshot_rate: -1 is not a number of calls a second"),
        ({}, {"max_bytes": 0}, "max_bytes"),
    ],
)
def test_bad_values_are_refused_by_name(environment, options, message):
    with pytest.raises(SettingsError, match=message):
        ServerConfig.of(environment, **options)


def test_snapshot_is_asked_at_the_rate_that_is_said():
    for options, rate in (({"snapshot_token": "abc"}, 1), ({"snapshot_token": "abc", "snapshot_rate": 8}, 8)):
        assert _Server(ServerConfig(**options)).snapshot._service._pacer.rate == rate
    sdk = ServerConfig(sdk_url="http://localhost:8080", snapshot_rate=3)
    assert _Server(sdk).snapshot._service._pacer.rate == 3


def test_numbers_of_pythons_levels_are_levels():
    assert ServerConfig.of({"LOGGING": "10"}).log_level == "DEBUG"


def test_every_setting_of_the_vendor_has_an_option_and_no_request_parameter_has():
    names = {parameter.name for parameter in server_parameters()}
    assert set(VENDOR) <= names
    assert not names & {"et", "xmin", "split", "snapshot_filename", "render"}


@pytest.fixture
def started(monkeypatch) -> list[ServerConfig]:
    """What the command line would serve."""
    configs: list[ServerConfig] = []
    monkeypatch.setattr(run, "serve", configs.append)
    for name in (*ENVIRONMENT, "BLUR_TOOLS_SERVER_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return configs


def test_the_command_line_serves(started, monkeypatch):
    monkeypatch.setenv("FACES", "3")
    monkeypatch.setenv("BLUR_TOOLS_SERVER_TOKEN", "abc")
    arguments = "serve --port 0 --plates 9 --shape circle --rate 2.5 --require-token --allow-private-urls --max-bytes 5"
    assert main(arguments.split()) == 0
    (config,) = started
    assert (config.settings.plates, config.settings.faces, config.settings.shape) == (9, 3, "circle")
    assert (config.port, config.rate, config.required_token, config.max_bytes) == (0, 2.5, "abc", 5)
    assert config.allow_private_urls


def test_the_command_line_by_itself_asks_for_no_token_and_binds_to_this_machine(started, monkeypatch):
    monkeypatch.setenv("BLUR_TOOLS_SERVER_TOKEN", "abc")
    assert main(["serve"]) == 0
    assert started == [ServerConfig()]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--require-token"], "set BLUR_TOOLS_SERVER_TOKEN"),
        (["--plates", "11"], "plates: 11"),
        (["--plate", "1"], "not an option"),
        (["--logging", "loud"], "LOGGING: LOUD"),
        (["--host", "192.0.2.1", "--port", "0"], "cannot listen at 192.0.2.1:0"),
        (["--host", "no such host", "--port", "0"], "no address of this machine"),
    ],
)
def test_wrong_use_is_said(arguments, said, capsys, monkeypatch):
    monkeypatch.delenv("BLUR_TOOLS_SERVER_TOKEN", raising=False)
    assert main(["serve", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_missing_extra_is_named(started, capsys, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr("blur_tools.server.command.find_spec", lambda name: None if name == "uvicorn" else real(name))
    assert main(["serve"]) == 2
    assert "pip install 'blur-tools[server]'" in capsys.readouterr().err

"""What a system of this machine takes from its surroundings, and what it tells other terminals."""

import os
import shlex
from base64 import b64encode

import pytest

from worker.cli.local import absolute
from worker.cli.up import _env_file, _shared
from worker.runtime.embedded import is_ours
from worker.runtime.settings import load_settings

SIGNING_SECRET = "whsec_" + b64encode(bytes(24)).decode()


@pytest.fixture
def surroundings(tmp_path, monkeypatch):
    """An empty environment in an empty folder: `surroundings(TENANT_ID="acme")` sets something and reads it."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        monkeypatch.delenv(name)

    def read(**env):
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        return load_settings()

    return read


def test_the_redis_that_was_started_for_a_folder_is_none_that_is_set(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    assert is_ours(f"redis+socket://{tmp_path}/data/redis.sock", tmp_path / "data")
    assert is_ours(f"redis+socket://{tmp_path}/campaigns-x1/redis.sock", tmp_path / "data")

    assert not is_ours(f"redis+socket://{tmp_path}/other/redis.sock", tmp_path / "data")
    assert not is_ours("redis+socket:///run/redis.sock", tmp_path / "data")
    assert not is_ours("redis://127.0.0.1:6379/0", tmp_path / "data")
    (tmp_path / "campaigns-x1").mkdir()
    (tmp_path / "campaigns-x1" / "redis.sock").touch()  # of another system that runs
    assert not is_ours(f"redis+socket://{tmp_path}/campaigns-x1/redis.sock", tmp_path / "data")


def test_other_terminals_are_told_what_is_set_here_and_no_secret(surroundings, tmp_path):
    (tmp_path / ".env").write_text("DEFAULT_REGION=GB\n")
    secrets = {"SENDGRID_API_KEY": "SG.secret", "CAMPAIGNS_TOKEN": "secret", "ALERT_WEBHOOK_SECRET": SIGNING_SECRET}
    alerts = "https://alerts.example.com"
    settings = surroundings(DATA_DIR="data", TENANT_ID="acme", ALERT_WEBHOOK_URL=alerts, **secrets)

    with _env_file(tmp_path / "env.sh", _shared(settings, sandbox=False)) as file:
        lines = set(file.read_text().splitlines())
        mode = file.stat().st_mode & 0o777

    data_dir = shlex.quote(str(tmp_path / "data"))
    assert lines == {"export DEFAULT_REGION=GB", "export TENANT_ID=acme", f"export DATA_DIR={data_dir}"}
    assert mode == 0o600


def test_a_rehearsal_takes_database_and_redis_from_the_environment_only(surroundings, tmp_path):
    (tmp_path / ".env").write_text("DATABASE_URL=sqlite:///real.db\nREDIS_URL=redis://real:6379/0\n")

    assert _shared(surroundings(), sandbox=True).keys() == {"CALLS_PER_SECOND", "DATA_DIR"}
    chosen = surroundings(DATABASE_URL="sqlite:///rehearsal.db", CALLS_PER_SECOND="3.0")
    told = _shared(chosen, sandbox=True)
    assert (told["DATABASE_URL"], told["CALLS_PER_SECOND"]) == ("sqlite:///rehearsal.db", "3.0")
    assert "REDIS_URL" not in told


def test_a_database_file_is_named_by_its_whole_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert absolute("sqlite:///a/b.db?timeout=3") == f"sqlite:///{tmp_path}/a/b.db?timeout=3"
    for url in (f"sqlite:///{tmp_path}/b.db", "sqlite:///:memory:", "postgresql://u:p@host/name"):
        assert absolute(url) == url

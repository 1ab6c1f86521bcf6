"""The commands of docker-compose.yml run a campaign to its end, as they stand in the file."""

import shlex

import pytest
from ruamel.yaml import YAML

from tests.acceptance.demos import ROOT
from tests.acceptance.site import Site
from worker.runtime.embedded import redis_binary
from worker.runtime.machine import free_port
from worker.runtime.supervisor import Program, Supervisor

pytestmark = pytest.mark.acceptance


def test_the_commands_of_docker_compose_run_a_campaign(tmp_path, postgres_url):
    services = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]
    redis_port = free_port()
    with Supervisor(tmp_path) as supervisor:
        words = shlex.split(services["redis"]["command"])
        supervisor.start(
            Program(
                name="redis",
                command=(redis_binary(), *words[1:], "--port", str(redis_port), "--dir", str(tmp_path)),
            )
        )
        site = Site(tmp_path, supervisor, postgres_url, f"redis://127.0.0.1:{redis_port}/0")
        environment = services["web"]["environment"]
        assert set(environment) - {"LOG_JSON"} <= set(site.env), "compose sets what this test does not"
        env = site.env | {"LOG_JSON": environment["LOG_JSON"]}
        site.campaigns(*shlex.split(services["migrate"]["command"])[1:])
        ours = [name for name, service in services.items() if "build" in service and name != "migrate"]
        for name in ours:
            command = services[name]["command"].replace("0.0.0.0", "127.0.0.1").replace("8080", str(site.web_port))
            supervisor.start(Program(name=name, command=("/usr/bin/env", *shlex.split(command)), env=env))

        site.run_campaign()

        supervisor.watch()  # raises if one of them has ended

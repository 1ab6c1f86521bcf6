"""The services of a chaos run: PostgreSQL, Redis and the provider, each started and answering.

All that is durable is durable: a crash of a service must lose nothing it has promised to keep.
"""

import shutil
import sys
import tempfile
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import psycopg
import redis

from channels.sandbox.settings import ACCOUNT_SID, API_KEY, AUTH_TOKEN
from tests.postgres import binaries, make_cluster, server_user
from worker.runtime.embedded import redis_binary
from worker.runtime.supervisor import Program, Supervisor, wait_until

PROVIDER_SPEED: Final = 10.0
"""How much faster than real ones the provider's messages live."""
_POSTGRES_SETTINGS: Final = ("listen_addresses=", "fsync=on", "synchronous_commit=on", "max_connections=200")


def start_postgres(supervisor: Supervisor) -> str:
    """Start a server with a database of its own; its URL."""
    user = server_user()
    # The server's user must be able to enter the folder, and the path of a socket has 107 bytes at most.
    folder = Path(tempfile.mkdtemp(prefix="campaigns-chaos-", dir="/tmp"))
    supervisor.afterwards.callback(shutil.rmtree, folder, ignore_errors=True)
    data = make_cluster(folder, user)
    options = [f"-c{setting}" for setting in (*_POSTGRES_SETTINGS, f"unix_socket_directories={folder}")]
    become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--pdeathsig=INT"] if user else []
    command = (*become, str(binaries() / "postgres"), "-D", str(data), *options)
    supervisor.start(Program(name="postgres", command=command, restart=True, serves=True))

    def up() -> bool:
        supervisor.running["postgres"].require_alive()
        try:
            psycopg.connect(host=str(folder), user="postgres", dbname="postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    wait_until(up, seconds=30, what="PostgreSQL to answer")
    return f"postgresql://postgres@/postgres?host={folder}"


def start_redis(supervisor: Supervisor, folder: Path, port: int) -> None:
    """Start it with its append-only file in the folder."""
    words = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder.resolve()), "--save", "")
    log = ("--appendonly", "yes", "--appendfsync", "everysec")
    command = (redis_binary(), *words, *log)
    supervisor.start(Program(name="redis", command=command, restart=True, serves=True))

    def up() -> bool:
        try:
            with redis.Redis(port=port) as client:
                return bool(client.ping())
        except redis.exceptions.RedisError:
            return False

    wait_until(up, seconds=10, what="Redis to answer")


def start_provider(supervisor: Supervisor, folder: Path, port: int, web_url: str) -> dict[str, str]:
    """Start the sandbox; what others need in their environment to send through it."""
    words = ("--port", str(port), "--data-dir", str(folder), "--callback", web_url, "--ledger-bodies")
    speed = ("--speed", f"{PROVIDER_SPEED:g}")
    command = (sys.executable, "-m", "channels.sandbox", *words, *speed)
    supervisor.start(Program(name="sandbox", command=command))
    wait_until(lambda: answers(port, "/sandbox/health"), seconds=30, what="the provider to answer")
    url = f"http://127.0.0.1:{port}"
    return {
        "TWILIO_BASE_URL": url,
        "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
        "SENDGRID_BASE_URL": url,
        "SENDGRID_API_KEY": API_KEY,
        "SENDGRID_WEBHOOK_PUBLIC_KEY": (folder / "sendgrid_public_key.txt").read_text().strip(),
    }


def answers(port: int, path: str) -> bool:
    """Whether an HTTP server on this machine says 200."""
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()

"""The design most teams begin with: Celery and Redis, one task per message, the provider's SDK as it comes.

1. Built in good faith: the SDK's client and the database connection are made once per process and kept, acks are late,
   no results are stored, nothing is logged, and the task is handed the person's data so that it reads no database.
2. A wait is a countdown. Each message is one INSERT and one COMMIT.
3. It promises nothing: a worker that dies between the call and the acknowledgment sends the text again.

Environment: NAIVE_REDIS_URL, NAIVE_DATABASE_URL (sqlite:///FILE or postgresql://...), NAIVE_STUB_URL.
Workers: `celery -A naive worker -c 2`. Launch: `python -c "import naive; naive.launch(COUNT, LABEL, FIRST)"`.
"""

import json
import os
import sqlite3
import sys
import time
from functools import cache

import psycopg
from celery import Celery
from twilio.rest import Client

SENDER = "+12025550100"
TEXTS = (
    "Hello {name}, your policy ends soon. Answer YES and we renew it, or STOP to hear no more from us.",
    "{name}, this is our last reminder: your policy ends soon. Answer YES to renew it, STOP to hear no more.",
)
WAIT_SECONDS = 1

DATABASE_URL = os.environ["NAIVE_DATABASE_URL"]
IS_SQLITE = DATABASE_URL.startswith("sqlite")

app = Celery("naive", broker=os.environ["NAIVE_REDIS_URL"])
app.conf.update(task_acks_late=True, task_ignore_result=True)


@cache
def provider() -> Client:
    """The SDK's client with the HTTP client it brings (requests), pointed at the stub."""
    client = Client("AC" + "5b" * 16, "token")
    client.api.base_url = os.environ["NAIVE_STUB_URL"]
    return client


@cache
def database() -> sqlite3.Connection | psycopg.Connection:
    """This process's connection: SQLite in WAL mode with its default (full) synchronization, or PostgreSQL."""
    if not IS_SQLITE:
        return psycopg.connect(DATABASE_URL)
    connection = sqlite3.connect(DATABASE_URL.removeprefix("sqlite:///"), timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    return connection


@app.task
def send(label: str, name: str, phone: str, step: int) -> None:
    """Send one message, record it, and order the next one."""
    sent = provider().messages.create(
        to=phone, from_=SENDER, body=TEXTS[step].format(name=name), status_callback="http://127.0.0.1:9/webhooks/sms"
    )
    mark = "?" if IS_SQLITE else "%s"
    values = ", ".join([mark] * 5)
    database().execute(
        f"INSERT INTO naive_sent (label, phone, step, sid, status) VALUES ({values})",
        (label, phone, step, sent.sid, sent.status),
    )
    database().commit()
    if step + 1 < len(TEXTS):
        send.apply_async((label, name, phone, step + 1), countdown=WAIT_SECONDS)


def prepare() -> None:
    """What a migration would do."""
    serial = "INTEGER PRIMARY KEY" if IS_SQLITE else "BIGSERIAL PRIMARY KEY"
    database().execute(
        f"CREATE TABLE naive_sent (id {serial}, label TEXT, phone TEXT, step INTEGER, sid TEXT, status TEXT)"
    )
    database().commit()


def launch(count: int, label: str, first: int) -> None:
    """One task per person. Prints the CPU seconds it took."""
    begun = time.process_time()
    for number in range(first, first + count):
        send.delay(label, f"Contact {number}", f"+1202{5_000_000 + number}", 0)
    sys.stdout.write(json.dumps({"cpu": time.process_time() - begun}))

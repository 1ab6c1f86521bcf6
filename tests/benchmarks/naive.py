"""The design most teams begin with: Celery and Redis, one task per message, the provider's SDK as it comes.

1. Built in good faith: the SDK's client and the database connection are made once per process and kept, acks are late,
   no results are stored, nothing is logged, and the task is handed the person's data so that it reads no database.
2. A wait is a countdown. Each message is one INSERT and one COMMIT.
3. It promises nothing: a worker that dies between the call and the acknowledgment sends the text again.

Environment: NAIVE_REDIS_URL, NAIVE_DATABASE_URL (sqlite:///FILE or postgresql://...), NAIVE_STUB_URL.
Workers: `celery -A naive worker -c WORKERS`. Launch: `python -c "import naive; naive.launch(COUNT, LABEL, FIRST)"`.
"""

import json
import os
import sqlite3
import sys
import time
from functools import cache

import jobs
import psycopg
from celery import Celery
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import Mail
from stub import ACCOUNT_SID
from twilio.rest import Client
from twilio.twiml.voice_response import VoiceResponse

CALLBACK = "http://127.0.0.1:9/webhooks"

DATABASE_URL = os.environ["NAIVE_DATABASE_URL"]
IS_SQLITE = DATABASE_URL.startswith("sqlite")

app = Celery("naive", broker=os.environ["NAIVE_REDIS_URL"])
app.conf.update(task_acks_late=True, task_ignore_result=True)


@cache
def provider() -> Client:
    """The SDK's client with the HTTP client it brings (requests), pointed at the stub."""
    client = Client(ACCOUNT_SID, "token")
    client.api.base_url = os.environ["NAIVE_STUB_URL"]
    return client


@cache
def mailer() -> SendGridAPIClient:
    """The SDK's client, pointed at the stub."""
    return SendGridAPIClient("SG.stub", host=os.environ["NAIVE_STUB_URL"])


def text(name: str, phone: str, email: str) -> str:
    """Send the text; the provider's id."""
    return _text(jobs.TEXT.format(name=name), phone)


def reminder(name: str, phone: str, email: str) -> str:
    """Send the second text; the provider's id."""
    return _text(jobs.REMINDER.format(name=name), phone)


def _text(body: str, phone: str) -> str:
    return provider().messages.create(to=phone, from_=jobs.SENDER, body=body, status_callback=CALLBACK).sid


def mail(name: str, phone: str, email: str) -> str:
    """Send the mail; the provider's id."""
    subject, content = jobs.SUBJECT.format(name=name), jobs.MAIL.format(name=name)
    message = Mail(jobs.MAIL_SENDER, email, subject, plain_text_content=content)
    return mailer().send(message).headers["X-Message-Id"]


def call(name: str, phone: str, email: str) -> str:
    """Place the call; the provider's id."""
    document = VoiceResponse()
    document.say(jobs.SPEECH.format(name=name))
    return provider().calls.create(to=phone, from_=jobs.SENDER, twiml=str(document), status_callback=CALLBACK).sid


STEPS = [{"text": text, "reminder": reminder, "mail": mail, "call": call}[name] for name in jobs.STEPS[jobs.JOB]]


@cache
def database() -> sqlite3.Connection | psycopg.Connection:
    """This process's connection: SQLite in WAL mode with its default (full) synchronization, or PostgreSQL."""
    if not IS_SQLITE:
        return psycopg.connect(DATABASE_URL)
    connection = sqlite3.connect(DATABASE_URL.removeprefix("sqlite:///"), timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    return connection


@app.task
def send(label: str, name: str, phone: str, email: str, step: int) -> None:
    """Send one message, record it, and order the next one."""
    reference = STEPS[step](name, phone, email)
    mark = "?" if IS_SQLITE else "%s"
    values = ", ".join([mark] * 4)
    database().execute(
        f"INSERT INTO naive_sent (label, phone, step, reference) VALUES ({values})", (label, phone, step, reference)
    )
    database().commit()
    if step + 1 < len(STEPS):
        send.apply_async((label, name, phone, email, step + 1), countdown=jobs.WAIT_SECONDS)


def prepare() -> None:
    """What a migration would do."""
    serial = "INTEGER PRIMARY KEY" if IS_SQLITE else "BIGSERIAL PRIMARY KEY"
    database().execute(f"CREATE TABLE naive_sent (id {serial}, label TEXT, phone TEXT, step INTEGER, reference TEXT)")
    database().commit()


def launch(count: int, label: str, first: int) -> None:
    """One task per person. Prints the CPU seconds it took."""
    begun = time.process_time()
    for number in range(first, first + count):
        send.delay(label, *jobs.person(number), 0)
    sys.stdout.write(json.dumps({"cpu": time.process_time() - begun}))

"""The table of commands: what is typed, where it is, which scopes it needs, what `--help` says of it.

1. A module is imported when one of its commands is called, with all that it needs; `--help` reads this table only.
2. The line is the first paragraph of the function's docstring; a test compares the two.
"""

from dataclasses import dataclass
from typing import Final

from worker.cli import access


@dataclass(frozen=True, slots=True)
class Command:
    """One row."""

    words: str
    """As it is typed: a command, or a group and a command."""
    place: str
    """Module of this package and function."""
    access: access.Access
    line: str


COMMANDS: Final = (
    Command(
        "demo",
        "demo.demo",
        access.MACHINE,
        "Run a whole campaign on this machine against a sandbox provider, in under a minute. Nobody real is contacted.",
    ),
    Command(
        "up",
        "up.up",
        access.MACHINE,
        "Run the whole system on this machine: workers, beat, callbacks, Flower, and a Redis where none is set.",
    ),
    Command(
        "validate",
        "definitions.validate",
        access.MACHINE,
        "Check definitions and explain every fault, with file, line and a remedy. Nothing is saved.",
    ),
    Command(
        "save",
        "definitions.save",
        access.OF_THE_TYPE,
        "Check definitions and save them, all or none. The same file saved twice changes nothing.",
    ),
    Command(
        "import",
        "audiences.import_contacts",
        access.IMPORT_CONTACTS,
        "Import contacts. Rejected rows go to a file, each with its reason. Importing the same file twice is harmless.",
    ),
    Command(
        "import-ncx",
        "ncx.import_ncx",
        access.OF_THE_TYPE,
        "Import campaigns, workflows, functions and dispositions exported from NCX.",
    ),
    Command(
        "history",
        "history.history",
        access.OF_THE_TYPE,
        "Show who changed a document, when, and what from what to what. Deleted ones have a history too.",
    ),
    Command(
        "audience",
        "audience_preview.audience",
        access.PREVIEW_AUDIENCES,
        "Count who a campaign would reach: by country, time zone and channel, and who is left out why."
        " Nothing is sent.",
    ),
    Command(
        "launch",
        "launches.launch",
        access.RUN_CAMPAIGNS,
        "Launch a campaign. Everything is checked first, and said; a refused launch changes nothing.",
    ),
    Command(
        "status",
        "runs.status",
        access.READ_CAMPAIGNS,
        "Where a run is: how many people are done, and its messages by channel and state.",
    ),
    Command(
        "report",
        "runs.report",
        access.READ_CAMPAIGNS,
        "What a run came to: people by disposition, messages by channel; the counts add up to the audience.",
    ),
    Command("log", "runs.log", access.READ_CAMPAIGNS, "The life of a run: who changed what when, and why."),
    Command(
        "start",
        "runs.start",
        access.RUN_CAMPAIGNS,
        "Start a draft, or a scheduled run before its time. All is checked again;"
        " whoever belongs to it now is reached.",
    ),
    Command(
        "pause", "runs.pause", access.STOP_CAMPAIGNS, "Stop a run for now. When this returns 0, nothing more leaves."
    ),
    Command(
        "resume",
        "runs.resume",
        access.STOP_CAMPAIGNS,
        "Go on with a paused run. A canary goes on being watched, its others wait unless --release lets them follow.",
    ),
    Command(
        "cancel",
        "runs.cancel",
        access.STOP_CAMPAIGNS,
        "End a run for good. When this returns 0, nothing more leaves; everybody still in it ends as cancelled.",
    ),
    Command(
        "close",
        "runs.close",
        access.RUN_CAMPAIGNS,
        "Let nobody else into a run that takes events or dates; it completes when its people have finished.",
    ),
    Command(
        "archive",
        "archive.archive",
        access.RUN_CAMPAIGNS,
        "Move ended runs out of the database into Parquet files. What they came to stays; so does whom not to contact.",
    ),
    Command(
        "schedule preview",
        "schedules.preview",
        access.READ_CAMPAIGNS,
        "List the next firings of a campaign's schedule, with the local times; of `timezone: contact` the whole wave.",
    ),
    Command(
        "holds list",
        "holds.list_held",
        access.READ_CAMPAIGNS,
        "List what is held, with all that may help to decide: why nobody knows, and what the provider showed.",
    ),
    Command(
        "holds settle",
        "holds.settle",
        access.RUN_CAMPAIGNS,
        "Decide about a held message: it was sent, it is to be sent again, or it is to be dropped.",
    ),
    Command(
        "events list",
        "events.list_known",
        access.READ_EVENTS,
        "List the newest events: their type and key, what became of them and why.",
    ),
    Command(
        "events show",
        "events.show_one",
        access.READ_EVENTS,
        "Show one event with what it said. What was applied is not kept, only its key is.",
    ),
    Command(
        "events replay",
        "events.replay",
        access.WRITE_EVENTS,
        "Apply dead events anew, once what was missing is there. What could not be read has to be sent again.",
    ),
    Command(
        "tokens create",
        "tokens.create",
        access.GIVE_TOKENS,
        "Make a token for the HTTP interface and print it. It is shown this once; only a digest is kept.",
    ),
    Command(
        "tokens list",
        "tokens.list_all",
        access.GIVE_TOKENS,
        "List the tokens: whose they are, what they may do, and since when. The tokens themselves are not kept.",
    ),
    Command("tokens revoke", "tokens.revoke", access.GIVE_TOKENS, "End a token at once."),
    Command(
        "sandbox",
        "sandbox.sandbox",
        access.MACHINE,
        "Run only a provider that speaks Twilio's and SendGrid's APIs and reaches nobody; `up --sandbox` has one.",
    ),
    Command("web", "web.web", access.MACHINE, "Run the HTTP process that providers call back."),
    Command(
        "migrate",
        "migrate.migrate",
        access.MACHINE,
        "Bring the database's schema to this version. Safe to repeat, and safe when two do it at once.",
    ),
)
"""Every command, in the order of the help."""

GROUPS: Final = {
    "schedule": "When campaigns start.",
    "events": "Events that bring people into campaigns: list them, look into one, replay what came to nothing.",
    "holds": "Messages that may or may not have left: list them, settle them.",
    "tokens": "API tokens: create, list, revoke.",
}

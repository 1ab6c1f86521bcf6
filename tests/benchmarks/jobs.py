"""The jobs that can be measured, as the designs and the harness must agree on them: `JOB=texts`, `mail`, `mixed`.

The definitions are in `jobs/`; what each sends is written once more here for the designs that know no workflow.
"""

import os
import sys
from pathlib import Path
from typing import Final

STEPS: Final = {"texts": ("text", "reminder"), "mail": ("mail",), "mixed": ("text", "mail", "call")}
"""What each contact gets, a second apart."""
WAIT_SECONDS: Final = 1

SENDER: Final = "+12025550100"
TEXT: Final = "Hello {name}, your policy ends soon. Answer YES and we renew it, or STOP to hear no more from us."
REMINDER: Final = "{name}, this is to remind you: your policy ends soon. STOP to hear no more from us."
MAIL_SENDER: Final = "renewals@example.com"
SUBJECT: Final = "{name}, your policy ends soon"
MAIL: Final = (
    "Hello {name}, your policy ends soon. Answer this mail and we renew it. We will call you in a moment in case you"
    " have a question."
)
SPEECH: Final = "Hello {name}. Your policy ends soon. Goodbye."

JOB: Final = os.environ.get("JOB") or "texts"
if JOB not in STEPS:
    sys.exit(f"JOB={JOB}: expected one of {', '.join(STEPS)}")
FILE: Final = Path(__file__).parent / "jobs" / f"{JOB}.yaml"
MESSAGES: Final = len(STEPS[JOB])
"""For each contact."""

_FIRST_NUMBER: Final = 5_000_000


def person(number: int) -> tuple[str, str, str]:
    """Name, phone and address of a contact. No two share any; the phones are of the fictional range."""
    return f"Contact {number}", f"+1202{_FIRST_NUMBER + number}", f"contact{number}@example.com"


def number_of(address: str) -> int:
    """Whose phone or address it is: the inverse of `person`."""
    if "@" in address:
        return int(address.partition("@")[0].removeprefix("contact"))
    return int(address.removeprefix("+1202")) - _FIRST_NUMBER

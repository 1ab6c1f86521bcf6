"""The jobs that can be measured, as the designs and the harness must agree on them: `JOB=texts`, `mail`, `mixed`.

The definitions are in `jobs/`; what each sends is written once more here for the designs that know no workflow.
"""

import os
from pathlib import Path
from typing import Final

STEPS: Final = {"texts": ("text", "reminder"), "mail": ("mail",), "mixed": ("text", "mail", "call")}
"""What each contact gets, a second apart."""

JOB: Final = os.environ.get("JOB") or "texts"
FILE: Final = Path(__file__).parent / "jobs" / f"{JOB}.yaml"
MESSAGES: Final = len(STEPS[JOB])
"""For each contact."""

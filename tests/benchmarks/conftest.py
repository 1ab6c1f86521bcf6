"""The harness is scripts that import each other by name; tests import them the same way."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

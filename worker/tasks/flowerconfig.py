"""How Flower shows us. It is read by `flower --conf`, so the names are Flower's own.

1. Read only: Flower watches. Pause and cancel go through `campaigns`, where they are checked and recorded.
2. The last filter against personal data: arguments that are not written by `worker.tasks.process.hint_repr` are hidden.
"""

import re
from typing import Any, Final

address = "127.0.0.1"
read_only = True
purge_offline_workers = 300
inspect_timeout = 5000.0
max_tasks = 20_000
tasks_columns = "name,args,state,received,started,runtime,worker"

_SAFE_ARGS: Final = re.compile(r"\((run=\w+)?(, )?(n=\d+)?\)")


def format_task(task: Any) -> Any:
    """Hide whatever is not ids and counts."""
    if not _SAFE_ARGS.fullmatch(task.args or "()"):
        task.args = "(hidden)"
    if (task.kwargs or "{}") != "{}":
        task.kwargs = "{hidden}"
    task.result = None
    return task

"""A run that the guard watches: outcomes as they come in, looks, and what they came to."""

from datetime import timedelta

from tests.runtime.house import TENANT, House, person
from worker.domain.alert import AlertKind
from worker.domain.run import Canary
from worker.runtime import guarding
from worker.store import outcomes as filing
from worker.store.codec import millis
from worker.store.tables import runs


def landline(number: int):
    """Somebody whose texts are refused for good."""
    return person(number, phone=f"+120256{number % 10}21614")


def looked(house: House) -> int:
    house.later(seconds=3)
    return guarding.look(house.rt)


def send(house: House, rounds: int = 1) -> None:
    for _ in range(rounds):
        house.advance()
        house.dispatch()


def file(
    house: House, disposition: str, count: int, *, detail: str = "none", attempted: bool = True, ago: float = 0
) -> None:
    """Outcomes as settlements write them; `ago` in seconds."""
    at = millis(house.rt.now() - timedelta(seconds=ago))
    row = (TENANT, house.run_id, "e", "m", "a" if attempted else None, disposition, "", detail, at)
    with house.store.engine.begin() as conn:
        filing.file(conn, [row] * count)


def changes(house: House) -> list[tuple[str, str, str]]:
    return [(one.before, one.after, one.reason) for one in house.store.run_changes(TENANT, house.run_id)]


def alerts(house: House) -> list[AlertKind]:
    return [alert.kind for alert in house.store.alerts_of_run(TENANT, house.run_id)]


def on_trial(house: House, *actions, people: int = 10, **campaign) -> None:
    """A run whose canary is all of its people so far, and that waits for the guard."""
    house.launch(*actions, people=people, **campaign)
    with house.store.engine.begin() as conn:
        conn.execute(runs.update().values(canary=Canary.WATCHED, enrolled=False, guarding='{"canary":{"share":0.5}}'))


def canary(house: House) -> str:
    return house.store.get_run(TENANT, house.run_id).canary


def followed(house: House) -> bool:
    return canary(house) == Canary.PASSED

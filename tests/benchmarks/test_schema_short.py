"""The schema service's benchmark in small: both sides find the same, whatever they took."""

from tests.benchmarks import schema


def test_the_benchmark_of_the_schema_service_asks_both_sides_everything(sqlite_url, monkeypatch):
    for name, size in {"CONTACTS": 1500, "CAMPAIGNS": 60, "ASKED": 15, "BATCH": 100}.items():
        monkeypatch.setattr(schema, name, size)

    lines = list(schema.measure(sqlite_url))

    assert lines[0].startswith("contacts created a second, batches of 100:")
    assert len([line for line in lines if line.startswith(("retrieve", "campaigns, ", "contacts, "))]) == 7
    assert lines[-1].startswith("streaming 1,500 contacts:")

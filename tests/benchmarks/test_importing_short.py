"""The benchmark of imports in small: both sides load the file, whatever they took."""

from tests.benchmarks import importing


def test_the_benchmark_of_imports_loads_the_same_people_both_ways(sqlite_url, tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "in_fresh_process", importing.timed)
    monkeypatch.setattr(importing, "RUNS", 1)
    file = importing.write_file(tmp_path / "people.csv", 400)

    lines = list(importing.measure(sqlite_url, file))

    assert [line.split()[0] for line in lines] == ["bare", "ours", "ours", "the"]

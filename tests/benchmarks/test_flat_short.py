"""The benchmark of flatness in small: everything is measured and told, whatever it took."""

import pytest

from tests.benchmarks import flat

SIZES = {"PEOPLE": 2000, "SMALL": 400, "LIVE": 200, "FINISHED": 200, "TEMPLATE": 20, "STORED": 20}
SHORT = {"ROUNDS": 2, "STEPPED": 40, "SENT": 20, "LOOKS": 1, "SECONDS_EACH": 0.05}


@pytest.fixture
def small(monkeypatch):
    for name, value in (SIZES | SHORT).items():
        monkeypatch.setattr(flat, name, value)


def test_the_benchmark_of_flatness_tells_of_each_piece_of_work_of_storage_and_of_archiving(
    small, postgres_server, tmp_path
):
    admin = f"postgresql://postgres@/postgres?host={postgres_server}"

    lines = list(flat.measure(admin, tmp_path))

    assert sum(line.startswith(("  met", "  NOT MET")) for line in lines) == 7
    assert "400 enrollments, and 2,000 in the larger database" in "\n".join(lines)
    assert len([line for line in lines if "in the larger: x" in line]) == 15

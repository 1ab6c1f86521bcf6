"""The benchmark of receipts in small: both ways settle every text, whatever that took."""

from tests.benchmarks import receipts


def test_the_benchmark_of_receipts_sees_every_text_settled_both_ways(postgres_url, tmp_path, monkeypatch):
    monkeypatch.setattr(receipts, "TEXTS", 20)
    monkeypatch.setattr(receipts, "ROUNDS", 1)

    lines = list(receipts.measure(postgres_url, tmp_path))

    told = [line.partition(":")[0].strip() for line in lines]
    assert told == [f"{n} in a commit, {way}".strip() for n in receipts.TOGETHER for way in ("straight", "put by  ")]

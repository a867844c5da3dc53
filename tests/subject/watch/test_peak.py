"""The model's work against the closed form of BERT; the probe against its own arithmetic."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from harness.subject.watch import peak  # noqa: E402


def bert(layers: int, hidden: int, inner: int, labels: int = 2) -> object:
    config = transformers.BertConfig(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=inner,
        vocab_size=100,
        num_labels=labels,
    )
    return transformers.BertForSequenceClassification(config)


def closed_form(examples: int, length: int, layers: int, hidden: int, inner: int, labels: int = 2) -> int:
    """Forward: 2 operations a weight and token, 4 L^2 h a layer for attention; backward twice as much."""
    weights = layers * (4 * hidden * hidden + 2 * hidden * inner)
    forward = 2 * length * weights + layers * 4 * length**2 * hidden + 2 * hidden * hidden + 2 * hidden * labels
    return 3 * examples * forward


@pytest.mark.parametrize("sizes", [(2, 32, 64), (3, 16, 80)])
def test_work_is_the_closed_form(sizes: tuple[int, int, int]) -> None:
    work = peak.Work(bert(*sizes))
    for examples, length in ((1, 5), (8, 41), (16, 128)):
        assert work.of(examples, length) == pytest.approx(closed_form(examples, length, *sizes), rel=1e-9)


def test_work_that_is_no_quadratic_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peak, "_count", lambda model, examples, length: examples * length**3)
    with pytest.raises(ValueError, match="expected of a quadratic in the length"):
        peak.Work(bert(1, 16, 16))


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", "float32"), ("bf16", "bfloat16")])
def test_probe(precision: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(peak.SIZES, "cpu", 256)
    monkeypatch.setattr(peak, "SECONDS", 0.02)
    state = torch.get_rng_state()
    found = peak.probe(torch.device("cpu"), precision)
    assert found["dtype"] == dtype
    assert found["size"] == 256
    assert found["best"] >= found["median"] > 1e6
    assert torch.equal(state, torch.get_rng_state())

"""What is printed of the registry."""

from __future__ import annotations

import subprocess
import sys

from harness.references import audit_registry, details, find, list_rows, registry


def test_a_row_for_every_reference() -> None:
    rows = {row.id: row for row in list_rows()}
    assert list(rows) == [reference.id for reference in registry().references]
    course = rows["hf-course-ch3"]
    assert (course.accuracy, course.f1) == ("0.8578431372549019", "0.8996539792387542")
    assert (course.statistic, course.precision, course.comparable) == ("single", "fp32 (not stated)", "")
    sample = rows["replication-course-uncased"]
    assert sample.accuracy == "0.8555 ± 0.0105 (0.8358 to 0.8775)"
    assert sample.statistic == "sample of 25"
    assert rows["ibm-recycling-bert-base-cased"].accuracy == "0.8293 ± 0.0232"
    assert rows["electra-small"].statistic == "median of several"
    assert rows["card-jkassemi"].f1 == "0.8900"  # the zeros that were printed
    assert rows["hf-readme-cased-fp16"].comparable.startswith("unattainable")
    assert [row.id for row in list_rows([find("electra-small")])] == ["electra-small"]


def test_all_that_is_known_of_a_reference() -> None:
    fields = dict(details(find("hf-readme-cased-fp16")))
    assert fields["accuracy"] == "0.8358"
    assert fields["train_samples_per_second"] == "262.0 (derived)"
    assert "learning_rate = 2e-05, per_device_train_batch_size = 32, num_train_epochs = 5" in fields["recipe"]
    assert fields["beside the recipe"] == "max_length = 128, padding = max_length"
    assert fields["hardware"] == "1x Titan RTX"
    assert fields["audit"].startswith("unattainable: ")
    assert fields["not to be compared"].startswith("unattainable: ")
    assert "date" not in fields


def test_a_sample_shows_its_runs_and_a_run_its_sample() -> None:
    sample = dict(details(find("replication-course-uncased")))
    assert sample["card-joheras"] == "accuracy 0.8554, f1 0.9008"
    assert sum(name.startswith(("card-", "log-")) for name in sample) == 25
    assert dict(details(find("card-joheras")))["a run of"] == "replication-course-uncased"
    assert dict(details(find("hf-course-ch3")))["sample of its recipe"] == "replication-course-uncased"


def test_contradictions_are_shown_with_both_references() -> None:
    for name in ("nvidia-pt-10seeds", "nvidia-pt-100seeds"):
        texts = [text for field, text in details(find(name)) if field == "contradiction"]
        assert any("differ by 0.0344" in text for text in texts)
    best = dict(details(find("nvidia-tf-best-fp16")))
    assert best["best of the runs of"] == "nvidia-tf-10seeds-fp16"


def test_an_audit_line_for_every_reference() -> None:
    rows = {row.id: row for row in audit_registry()}
    assert rows["hf-course-ch3"].text == "350 of 408 correct; TP 260 FP 39 FN 19 TN 90"
    assert rows["hf-course-ch3"].published == "accuracy 0.8578431372549019, f1 0.8996539792387542"
    assert rows["distillation-roberta-base"].published == "unnamed 0.902"
    assert rows["replication-course-uncased"].text == "each of the 25 runs has one table"


def test_the_package_needs_neither_torch_nor_scipy() -> None:
    code = (
        "import sys, harness.references as r; r.audit_registry(); r.contradictions(); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'scipy', 'harness.grid.grid')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0

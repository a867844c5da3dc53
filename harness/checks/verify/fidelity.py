"""Fidelity: whether a run is what its cell asked for, item by item (DESIGN section 5, check 1)."""

from __future__ import annotations

from harness.checks.verdict import Verdict
from harness.checks.verify import answers, data, settings, training
from harness.checks.verify.findings import Sheet, unfinished
from harness.record.run import Run

CHECK = "fidelity"


def fidelity(run: Run) -> Verdict:
    """Judge one run by its own record and series; no reference and no other run is needed.

    PASS where every item that can be seen is as asked for, FAIL with the items that are not; what cannot be seen is
    named in `not_available`. A run that failed is an ERROR, one that was skipped a SKIP, each with its reason.
    """
    stopped = unfinished(CHECK, run)
    observed, measured, asked = run.record.observed, run.record.measured, run.record.asked
    if stopped is not None or observed is None or measured is None:
        return stopped or Sheet().verdict(CHECK, [run], "the run left nothing to judge")
    sheet = Sheet()
    settings.arguments(sheet, asked, observed)
    fingerprint = observed.fingerprint
    if fingerprint is None:
        sheet.missing("fingerprint", "the record is older than fingerprints")
    else:
        settings.devices(sheet, asked, observed, fingerprint)
        settings.precision(sheet, asked, fingerprint)
        settings.attention(sheet, asked, observed, fingerprint)
        settings.dropout(sheet, asked, observed, fingerprint)
        settings.clipping(sheet, observed, fingerprint)
        settings.loss_scaling(sheet, asked, fingerprint)
    settings.optimizer(sheet, observed)
    if observed.collator is None:
        sheet.missing("collator")
    else:
        sheet.equal("collator", "DataCollatorWithPadding", observed.collator, "the collator")
    data.data(sheet, run, observed.data)
    data.weights(sheet, observed.weights, asked.checkpoint.random)
    if fingerprint is not None:
        training.steps(sheet, run, observed, fingerprint)
        training.learning_rate(sheet, run, observed, fingerprint)
        training.seen(sheet, run, observed, fingerprint)
    training.logged_loss(sheet, run)
    answers.logits(sheet, run, observed)
    answers.recomputed(sheet, run, observed, measured)
    data.samples(sheet, run, measured)
    wrong = [finding.item for finding in sheet.findings if finding.outcome == "FAIL"]
    summary = f"{', '.join(wrong)}" if wrong else f"all {len(sheet.findings)} items are as asked for"
    return sheet.verdict(CHECK, [run], summary)

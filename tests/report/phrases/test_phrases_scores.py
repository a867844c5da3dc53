"""Every fact of a check of scores in words; those of an accepted file and of comparisons have modules beside."""

from __future__ import annotations

import pytest

from harness.checks.verdict import Fact
from harness.report.phrases.accepted import ACCEPTED
from harness.report.phrases.comparison import COMPARISON
from harness.report.phrases.diff import DIFF
from harness.report.phrases.doubts import DOUBTS
from harness.report.phrases.head import HEAD
from harness.report.phrases.inputs import INPUTS
from harness.report.phrases.past import PAST
from harness.report.phrases.probes.ab import AB
from harness.report.phrases.probes.bisect import BISECT
from harness.report.phrases.probes.selftest import SELFTEST
from harness.report.phrases.say import PHRASES, say
from harness.report.phrases.scores import BASELINE, SCORES
from harness.report.phrases.speed import SPEED
from harness.report.phrases.verify import VERIFY
from harness.report.phrases.waivers import WAIVERS
from tests.report.phrases.phrase_cases import made_facts, problems

of = Fact.of
TARGET = of("target", value=85.78, statistic="single", n=1)
MEAN = of("target", value=86.0, statistic="sample", n=10, sd=1.0)
RAN = of("scores.reference", metric="accuracy", mean=81.57, runs=5, target=TARGET)
FEW = of("runs.few", n=3, least=5)
COLLAPSES = of("collapses", k=2, n=5, low=0.05, high=0.85, p0=0.05)
SHARED = of("spread.shared_seeds", correlation=0.62)
RECIPE = of("recipe.differs", field="precision", run="bf16", reference="fp32")
CHANGES = of("changes", share=31 / 408, examples=408)
CASES = [
    (of("judged", scores=RAN), "accuracy 81.57 over 5 runs against 85.78 (a single run)"),
    (of("judged", scores=None, because=FEW), "3 of at least 5 runs"),
    (
        of("judged", scores=RAN, withheld=COLLAPSES, after=of("holm.blocked", p=0.06, family=8), differs=(RECIPE,)),
        "recipes differ (precision: run bf16, reference fp32); accuracy 81.57 over 5 runs against 85.78 (a single run)"
        "; PASS withheld: 2 of 5 runs collapsed, 95 % CI [5 %, 85 %], declared 5 %; p = 0.0600 after Holm over 8",
    ),
    (FEW, "3 of at least 5 runs"),
    (of("runs.equal"), "sd = 0: all runs are equal"),
    (
        of("runs.equal_beyond"),
        "sd = 0: all runs are equal, and beyond the margin: no test tells, and no option excuses it",
    ),
    (of("runs.identical"), "the same answer to every example at every seed"),
    (of("runs.identical_at", seeds=5, planned=5), "equal bit for bit at all 5 seeds"),
    (of("runs.identical_at", seeds=1, planned=1), "equal bit for bit at the only seed"),
    (of("runs.identical_at", seeds=2, planned=3), "equal bit for bit at 2 of 3 seeds"),
    (of("spread.unknown"), "no estimate of the spread"),
    (of("holm.blocked", p=None, family=3), "no p of its own"),
    (of("look.early", runs=3, first=5), "3 runs are before the first planned look at 5"),
    (of("look.decided", look=5, later=2), "decided at the planned look of 5 runs; 2 later ones do not change it"),
    (of("look.last", look=9, later=1), "judged at the last planned look of 9 runs; 1 later ones are not counted"),
    (
        of("look.waiting", look=5, later=2, following=9),
        "judged at the planned look of 5 runs; 2 wait for the look at 9",
    ),
    (of("spread.history_alone"), "history alone"),
    (of("spread.unusable", cells=1), "history of a single cell, not used"),
    (of("spread.unusable", cells=3), "history without spread, not used"),
    (of("spread.larger", sd=2.0, history=0.5), "sd larger than history (2.00, history 0.50)"),
    (of("spread.differs", p=0.001), "not pooled: configurations of this recipe differ in sd (Levene p = 0.0010)"),
    (SHARED, "seeds shared by cells count once (correlation 0.62)"),
    (of("spread.reference"), "with the reference's sd"),
    (
        of("spread.notes", notes=(SHARED, of("spread.reference"))),
        "seeds shared by cells count once (correlation 0.62); with the reference's sd",
    ),
    (RAN, "accuracy 81.57 over 5 runs against 85.78 (a single run)"),
    (MEAN, "86.00 ± 1.00 (mean of 10 runs)"),
    (of("target", value=86.0, statistic="best", n=5), "86.00 (best of 5 runs)"),
    (of("target", value=86.0, statistic="single", n=1, known=False), "86.00 (of unknown provenance)"),
    (of("provenance.unknown", best_of=1), "provenance unknown, taken as a single run"),
    (
        of("f1.standard_error", points=1.2, examples=408),
        "on other examples a run's F1 has a standard error of 1.20 points; here all share 408",
    ),
    (
        of("scores.reference", metric="f1", mean=90.0, runs=3, target=MEAN, label=of("provenance.unknown", best_of=5)),
        "f1 90.00 over 3 runs against 86.00 ± 1.00 (mean of 10 runs) (provenance unknown, taken as the best of 5)",
    ),
    (of("run.single"), "a single run"),
    (of("scores.none", runs=3), "none of 3 runs has a score to judge"),
    (of("reference.refused", why="the split is not known"), "not to be compared: the split is not known"),
    (
        of("scores.overlap", number=40, examples=408),
        "40 of 408 validation examples are in training: likely why scores are so far above",
    ),
    (of("reference.ungated", gate=("accuracy",)), "no accuracy is published; F1 is reported only"),
    (
        of("reference.ungated_of", gate=("pearson",), reported=("spearmanr", "macro_f1")),
        "no Pearson correlation is published; Spearman correlation and macro F1 are reported only",
    ),
    (of("reference.ungated_of", gate=("matthews_correlation",), reported=()), "no Matthews correlation is published"),
    (
        of("reference.other_task", reference="hf-course-ch3", task="glue/mrpc", here=("embedded/paraphrase",)),
        "hf-course-ch3: not compared, other task (glue/mrpc, here embedded/paraphrase)",
    ),
    (
        of("reference.other_checkpoint", reference="mine", checkpoint="minni", here=("mini", "pypi:x")),
        "mine: not compared, fits no checkpoint of this grid (minni, here mini, pypi:x); did you mean mini?",
    ),
    (of("reference.no_seeds"), "no number of seeds gives a verdict against this reference"),
    (
        of("recipe.more_runs"),
        "more runs bring no verdict while recipes differ: run the reference's, or declare them harmless",
    ),
    (of("margin.declared", points=2.5), "2.5 points, as declared"),
    (of("margin.default", points=2.5), "2.5 points, the default: no spread is published of this recipe"),
    (
        of("margin.few", points=2.5, least=5, sd=3.0, runs=3, whose="r"),
        "2.5 points, the default: fewer than 5 runs make it no wider (2.4 x sd 3.00 points of 3 runs (r))",
    ),
    (
        of(
            "margin.rounded",
            margin=of("margin.spread", points=2.5, sd=1.0, runs=10, whose="made-up"),
            half_ulp=0.5,
        ),
        "2.5 points = 2.4 x sd 1.00 points of 10 runs (made-up), and 0.5 for the rounding of the published value",
    ),
    (
        of("margin.spread", points=1.75, sd=0.76, runs=25, whose="r"),
        "1.75 points = 2.4 x sd 0.76 points of 25 runs (r)",
    ),
    (of("sd", value=0.52, df=4.0, source="own", cells=1), "sd 0.52 points, 4 degrees of freedom, of these runs"),
    (
        of("sd", value=0.52, df=4.0, source="pooled", cells=4, note=SHARED),
        "sd 0.52 points, 4 degrees of freedom, pooled over 4 configurations of the recipe; "
        "seeds shared by cells count once (correlation 0.62)",
    ),
    (of("sd.none"), "no sd: a single run says nothing of it"),
    (of("runs.every", n=5, mean=85.98, median=86.0), "all 5 runs with a score: mean 85.98, median 86.00"),
    (of("runs.every", n=0), "no run has a score"),
    (
        of("reference.wide", sd=3.1, runs=4, whose="r"),
        "an sd of 3.10 points over 4 runs (r) suggests failed runs among them: declare a margin",
    ),
    (of("reference.contradicted", text="a lies outside b"), "contradiction: a lies outside b"),
    (of("runs.below", below=4.5, n=5, p=0.25), "4.5 of 5 runs lie below the reference (free of any law: p = 0.250)"),
    (
        of("runs.below", below=2, n=2, p=0.5, least_p=0.25),
        "2 of 2 runs lie below the reference (free of any law: p = 0.500; 2 runs cannot reject, the least p is 0.25)",
    ),
    (of("runs.too_low", floor=80.0, runs=2), "below 80.00: too low for luck, though 2 runs are no verdict"),
    (
        of("pass.single", margin=2.5, ordinary=True),
        "against a single run a PASS says: the mean is within 2.50 points of the number, and the number is an ordinary "
        "draw of this pipeline",
    ),
    (RECIPE, "precision: run bf16, reference fp32"),
    (of("recipe.differs", field="learning_rate", run=2e-5, reference=3), "learning_rate: run 2e-05, reference 3"),
    (
        of("recipe.checkpoint_config", config={"hidden_size": 32}),
        "config: run with hidden_size = 32, reference with the checkpoint's own",
    ),
    (of("recipe.task", run="glue/rte", reference="glue/mrpc"), "task: run glue/rte, reference glue/mrpc"),
    (
        of("recipe.task", run="mine", reference="glue/mrpc", counts=(10, 4), known=(408, 279)),
        "task: run mine (4 positive of 10 validation examples), reference glue/mrpc (279 of 408)",
    ),
    (of("recipe.max_steps", run=8, steps=1377), "max_steps: run 8 steps, reference 1377 steps"),
    (of("recipe.max_steps", run=8, epochs=3), "max_steps: run 8 steps, reference 3 epochs"),
    (of("recipe.max_steps", run=-1, steps=8), "max_steps: run all its epochs, reference 8 steps"),
    (of("recipe.other_content"), "other files of checkpoint or data than the reference's, by their hashes"),
    (of("recipe.max_steps", run=8), "max_steps: run 8 steps, reference all its epochs"),
    (
        of("recipe.selection", best=True, metric="loss", reference="last"),
        "selection: run best epoch by loss, reference last",
    ),
    (
        of("recipe.selection", best=False, metric=None, reference="best epoch"),
        "selection: run last, reference best epoch",
    ),
    (of("recipe.dropout"), "dropout: run without, reference with the checkpoint's own"),
    (
        of("recipe.same_data", task="mine", reference="glue/mrpc"),
        "data read from mine: as many examples and positives as glue/mrpc",
    ),
    (of("recipe.no_checkpoint"), "the reference does not say its checkpoint"),
    (
        of("recipe.head"),
        "the head is seeded here; a model built before the seed is set, as in the course, has a random one",
    ),
    (
        of("recipe.loss_kwargs"),
        "accepts_loss_kwargs = false: the training loop scales the loss, not the model",
    ),
    (of("recipe.resumed", step=7), "stopped and resumed at step 7"),
    (
        of("recipe.precision_unstated", precision="fp32"),
        "the reference does not state its precision (fp32 is taken)",
    ),
    (of("recipe.unknown", fields=("a", "b")), "not known of the reference: a, b"),
    (of("recipe.reference_has", field="padding", value="max"), 'the reference has padding = "max"'),
    (
        of("recipe.versions", versions=(("torch", "2.13.0", "2.12.0"), ("transformers", "5.23.0", "4.45.2"))),
        "versions: torch 2.13.0 here, 2.12.0 there; transformers 5.23.0 here, 4.45.2 there",
    ),
    (COLLAPSES, "2 of 5 runs collapsed, 95 % CI [5 %, 85 %], declared 5 %"),
    (
        of("collapses", k=0, n=2, low=0.0, high=0.84, p0=0.05, p=1.0),
        "0 of 2 runs collapsed, 95 % CI [0 %, 84 %], declared 5 %: p = 1.0000",
    ),
    (
        of("collapses", k=3, n=3, low=0.29, high=1.0, p0=0.02, p=8e-6, alpha=0.05),
        "3 of 3 runs collapsed, 95 % CI [29 %, 100 %], declared 2 %: p < 0.0001",
    ),
    (
        of("collapses", k=0, n=2, low=0.0, high=0.84, p0=0.05, p=1.0, alpha=0.0294),
        "0 of 2 runs collapsed, 95 % CI [0 %, 84 %], declared 5 %: p = 1.0000 at alpha 0.0294",
    ),
    (
        of("collapses.few", collapses=COLLAPSES, least=3),
        "2 of 5 runs collapsed, 95 % CI [5 %, 85 %], declared 5 %: fewer than 3 runs",
    ),
    (of("collapses.would_fail", least=2, n=5, alpha=0.025), "2 of 5 collapses would fail at the 0.025 level"),
    (of("collapses.would_fail", least=None, n=1, alpha=0.05), "not even 1 of 1 would fail at the 0.05 level"),
    (of("collapses.kind", kind="nonfinite", count=1, runs=5), "nonfinite: 1 of 5"),
    (of("collapses.retried", seeds=(1, 2)), "tried again after a collapse, which counts: seed 1, 2"),
    (of("collapses.retried", seeds=(1,), side="B"), "tried again after a collapse, which counts: seed 1 of B"),
    (
        of("cells.absent", cells=((1, "failed"), (4, "timeout")), planned=5),
        "2 of 5 cells have no score: seed 1 failed, seed 4 timeout",
    ),
    (
        of("cells.absent", cells=tuple((seed, "oom") for seed in range(12)), planned=12),
        "12 of 12 cells have no score: " + ", ".join(f"seed {seed} oom" for seed in range(10)) + " and 2 more",
    ),
    (of("cells.skipped", why="no GPU"), "not run: no GPU"),
    (of("cells.error", error="failed: it broke"), "failed: it broke"),
    (
        of("scores.pair", metric="accuracy", twin="bf16", twin_mean=86.11, base="fp32", base_mean=85.98, seeds=5),
        "accuracy of bf16 86.11, of fp32 85.98 over 5 seeds",
    ),
    (of("scores.no_pair", twin="bf16", base="fp32"), "no seed at which both bf16 and fp32 have an ok run"),
    (
        of("scores.other_weights", twin="bf16", twin_dtype="bfloat16", base="fp32", base_dtype="float32"),
        "bf16 keeps its weights in bfloat16 while they are trained, fp32 in float32: no twins",
    ),
    (
        of("withheld.side", side="bf16", collapses=COLLAPSES),
        "bf16: 2 of 5 runs collapsed, 95 % CI [5 %, 85 %], declared 5 %",
    ),
    (of("margin.parity", points=1.5), "1.5 points between configurations"),
    (
        of("pairs.collapsed", base="fp32", twin="bf16", k1=0, k2=2, n=5, p=0.444, can_reject=False),
        "collapsed and left out: 0 of 5 with fp32, 2 with bf16 (Fisher p = 0.444, which so few runs cannot reject)",
    ),
    (
        of("pairs.left_out", side="fp32", seeds=tuple(range(12))),
        "without a partner, left out: seed 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 ... of fp32",
    ),
    (of("pairs.correlation", correlation=0.62), "scores of the same seed correlate by 0.62"),
    (of("pairs.sign_flip", p=0.0625, pairs=12), "sign-flip p = 0.062"),
    (
        of("pairs.sign_flip", p=1.0, pairs=5, least_p=0.0625),
        "sign-flip p = 1.000; 5 pairs cannot reject, the least p is 0.062",
    ),
    (
        of("pairs.metric", metric="accuracy_mismatched", difference=0.25),
        "accuracy (mismatched) differs by +0.25 points on average (reported only)",
    ),
    (of("pairs.f1", difference=-0.5), "F1 differs by -0.50 points on average (reported only)"),
    (
        of("pairs.identical"),
        "identical answers: see the fidelity of the runs, whether what should differ did differ",
    ),
    (CHANGES, "31 of 408 (7.6 %)"),
    (
        of("churn", twin="bf16", base="fp32", between=CHANGES, seeds=CHANGES, rerun=CHANGES),
        "bf16 changes 31 of 408 (7.6 %) answers of fp32 at the same seed, another seed of fp32 changes 31 of 408 "
        "(7.6 %), a second run of fp32 changes 31 of 408 (7.6 %)",
    ),
    (
        of("mcnemar", tables=((1, 20, 11, 0.15), (2, 3, 3, 1.0))),
        "exact McNemar (seed 1: 20 lost, 11 won, p = 0.150, seed 2: 3 lost, 3 won, p = 1.000): "
        "two fitted models, no gate",
    ),
    (of("phi", phi=1.2, base="fp32"), "phi = 1.20 between seeds of fp32: about as independent flips"),
    (
        of("phi", phi=2.0, base="fp32"),
        "phi = 2.00 between seeds of fp32: flips come together, and McNemar's p is too small",
    ),
    (of("seeds.detectable", points=1.5), "these runs find a true difference of 1.5 points with a power of 80 %"),
    (of("seeds.least", more=1, both=True), "1 more seed in both would be the least that can be judged"),
    (of("seeds.equal"), "runs that are all equal are no sample: look for what makes them so"),
    (of("seeds.collapses"), "the scores of the ok runs alone would pass: fewer collapses are what it takes"),
    (
        of("seeds.none", margin=2.5, against=TARGET, sd=1.65),
        "no number of seeds gives an 80 % chance of a verdict within 2.50 points of 85.78 (a single run) "
        "(planned with sd 1.65)",
    ),
    (
        of("seeds.more", more=4, sd=1.65, both=True, seconds=480.0),
        "4 more seeds in both (about 8 min of runs) give an 80 % chance of a verdict if the true difference is 0 "
        "(planned with sd 1.65)",
    ),
    (
        of("seeds.more", more=1, sd=0.5, seconds=12.0),
        "1 more seed (about 12 s of runs) gives an 80 % chance of a verdict if the true difference is 0 "
        "(planned with sd 0.50)",
    ),
    (of("seeds.next_look", look=9), "the next planned look is at 9 seeds"),
    (of("seeds.no_look"), "no planned look is left: open a ticket"),
    (
        of("seeds.floor", points=3.4, against=of("run.single")),
        "no number of seeds can show a shift below 3.4 points against a single run",
    ),
    (
        of("seeds.each_side", more=2, most=1000),
        "2 more seeds on each side give an 80 % chance of a verdict if the true difference is 0",
    ),
    (
        of("seeds.each_side", more=None, most=1000),
        "not even 1000 seeds give an 80 % chance of a verdict if the true difference is 0",
    ),
]


@pytest.mark.parametrize(("fact", "sentence"), CASES, ids=[fact.code for fact, _ in CASES])
def test_sentence(fact: Fact, sentence: str) -> None:
    assert say(fact) == sentence


def test_facts_and_phrases_fit() -> None:
    made = [fact for folder in ("checks", "stats", "cli") for fact in made_facts(folder)]
    other = {**VERIFY, **DIFF, **ACCEPTED, **INPUTS, **SPEED, **HEAD, **WAIVERS, **DOUBTS, **BISECT}
    assert problems([fact for fact in made if fact.code not in other], SCORES) == []


def test_every_code_is_here_and_is_one_tables_own() -> None:
    assert {fact.code for fact, _ in CASES} == SCORES.keys() - BASELINE.keys() - COMPARISON.keys()
    tables = SCORES, SPEED, VERIFY, DIFF, ACCEPTED, INPUTS, HEAD, PAST, WAIVERS, DOUBTS, SELFTEST, BISECT, AB
    assert len(PHRASES) == sum(map(len, tables))

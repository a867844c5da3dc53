"""What is said before anything trains."""

from __future__ import annotations

import pytest

from harness.fact import Fact
from harness.report.phrases.doubts import DOUBTS
from harness.report.phrases.say import say
from tests.report.phrases.phrase_cases import made_facts, problems

of = Fact.of
BEST = of("selection.model", epoch=3.0, metric="accuracy", value=2 / 3, greater=True)
DUE = ["not_equivalent", "equivalent"]
STEPS = of("recipe.steps_count", steps=10, epochs=3.0)
CASES = [
    (STEPS, "max_steps = 10 counts, num_train_epochs = 3 does not"),
    (
        of("recipe.some", doubt=STEPS, number=1, every=2),
        "max_steps = 10 counts, num_train_epochs = 3 does not (1 of 2 configurations)",
    ),
    (
        of("recipe.worst_kept", metric="loss", greater_is_better=True),
        'greater_is_better = true with metric_for_best_model = "loss" keeps the worst model: the lower loss is the '
        "better",
    ),
    (
        of("data.leak", number=60, examples=60, other_label=5),
        "60 of 60 validation examples are in training, 5 with the other label",
    ),
    (of("data.leak", number=1, examples=60, other_label=0), "1 of 60 validation examples are in training"),
    (
        of("data.duplicates", split="training", number=3, examples=1203, other_label=1),
        "3 of 1,203 training examples repeat an earlier one, 1 with the other label",
    ),
    (
        of("data.truncated", split="training", number=77, examples=1203, tokens=40),
        "77 of 1,203 training examples are truncated to 40 tokens",
    ),
    (
        of("data.one_class", split="validation", examples=20, label=0),
        "one class in the validation split: all 20 examples have label 0; F1 is undefined; accuracy tells nothing of "
        "the other class",
    ),
    (
        of("data.one_class", split="validation", examples=20, label=1),
        "one class in the validation split: all 20 examples have label 1; accuracy tells nothing of the other class",
    ),
    (
        of("data.one_class", split="training", examples=20, label=1),
        "one class in the training split: all 20 examples have label 1",
    ),
    (
        of("head.order", checkpoint="mine", names=["equivalent", "not_equivalent"], due=DUE),
        "checkpoint mine: its saved head calls the classes equivalent, not_equivalent, the task not_equivalent, "
        "equivalent: it was trained to answer the opposite",
    ),
    (
        of("head.other", checkpoint="mine", names=["yes", "no"], due=DUE),
        "checkpoint mine: its saved head calls the classes yes, no, the task not_equivalent, equivalent: "
        "whether they mean the same is for you to tell",
    ),
    (
        of("head.trained", checkpoint="mine"),
        "checkpoint mine: its classifier is no new one: what it learned before is in the scores",
    ),
    (of("data.empty", split="training", number=2, examples=3668), "2 of 3,668 training examples have an empty text"),
    (BEST, "epoch 3, of the highest accuracy (0.6667)"),
    (
        of("selection.best", model=BEST, evaluations=6),
        "scored is epoch 3, of the highest accuracy (0.6667), of 6 evaluations",
    ),
    (
        of("selection.other", scored=6.0, metric="accuracy", got=0.5042, asked=BEST),
        "scored is epoch 6 (accuracy 0.5042), asked for is epoch 3, of the highest accuracy (0.6667)",
    ),
    (
        of("selection.other", scored=None, metric="loss", got=None, asked=BEST),
        "scored is no model that was evaluated before, asked for is epoch 3, of the highest accuracy (0.6667)",
    ),
    (
        of("selection.cell", cell="tiny · seed 1", found=BEST),
        "tiny · seed 1: epoch 3, of the highest accuracy (0.6667)",
    ),
    (
        of("selection.seeds", configuration="tiny", seeds=[1, 3], runs=5),
        "tiny: 2 of 5 runs (seeds 1, 3) scored another model than the best one that load_best_model_at_end asks for",
    ),
    (
        of("reference.impossible", reference="a", scores={"accuracy": [0.9225]}, runs=1, examples=408, positives=279,
           elsewhere=None, shards=[], metric="accuracy", nearest=[376 / 408, 377 / 408]),
        "a: no run on 408 examples, 279 positive, can have accuracy 0.9225; nearest accuracy 0.9216 or 0.9240",
    ),
    (
        of("reference.impossible", reference="a", scores={"accuracy": [0.8578], "f1": [0.8578]}, runs=1,
           examples=408, positives=279, elsewhere=None, shards=[], metric="f1", nearest=[0.884], negatives=[175, 129]),
        "a: no run on 408 examples, 279 positive, can have accuracy 0.8578 with F1 0.8578, which needs 175 of 129 "
        "negatives right; nearest F1 0.8840",
    ),
    (
        of("reference.impossible", reference="a", scores={"accuracy": [0.7], "f1": [0.9]}, runs=1,
           examples=408, positives=279, metric="f1", nearest=[], negatives=[-265, 129]),
        "a: no run on 408 examples, 279 positive, can have accuracy 0.7 with F1 0.9, which needs more positives "
        "right than answers in all",
    ),
    (
        of("reference.constant", reference="a", accuracy=0.6838, constant=279, examples=408),
        "a: accuracy 0.6838 is no better than one constant answer, which has 279 of 408 right",
    ),
    (
        of("reference.impossible", reference="a", scores={"accuracy": [0.9]}, runs=5, examples=10, positives=5,
           elsewhere="test", shards=[], metric="accuracy", nearest=[]),
        "a: no mean of 5 runs on 10 examples, 5 positive, can have accuracy 0.9; MRPC's test split can give it",
    ),
    (
        of("reference.impossible", reference="a", scores={"accuracy": [0.9225]}, runs=1, examples=408, positives=279,
           elsewhere=None, shards=[400], metric="accuracy", nearest=[]),
        "a: no run on 408 examples, 279 positive, can have accuracy 0.9225; 400 of the examples can give it",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fact", "text"), CASES, ids=[fact.code for fact, _ in CASES])
def test_words(fact: Fact, text: str) -> None:
    assert say(fact) == text


def test_facts_and_phrases_fit() -> None:
    made = [fact for folder in ("grid", "checks", "execution") for fact in made_facts(folder)]
    assert problems([fact for fact in made if fact.code in DOUBTS], DOUBTS) == []
    assert {fact.code for fact, _ in CASES} == DOUBTS.keys()

harness run nightly.toml --results old/results
harness run nightly.toml
harness accept nightly.toml --note "the first numbers"
mkdir -p out-a/checkpoint-24 out-b/checkpoint-24
cp "$GIVEN/../../data/trainer_state/a.json" out-a/checkpoint-24/trainer_state.json
cp "$GIVEN/../../data/trainer_state/again.json" out-b/checkpoint-24/trainer_state.json

harness run nightly.toml --results old/results
harness run nightly.toml
harness accept nightly.toml --note "the first numbers"

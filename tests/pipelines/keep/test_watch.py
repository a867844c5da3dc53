"""What `harness watch` takes for a command."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import SpecError
from harness.pipelines.keep.watch import read_command

RANKS = "which starts ranks; allowed one process: several ranks need a grid"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("torchrun --nproc_per_node 2 run.py", f'watch: got "torchrun", {RANKS}'),
        ("python -m torch.distributed.run run.py", f'watch: got "torch.distributed.run", {RANKS}'),
        ("python -m accelerate.commands.launch run.py", f'watch: got "accelerate.commands.launch", {RANKS}'),
        ("bash run.sh", 'watch: got "bash run.sh"; allowed python SCRIPT FLAG ..., or python -m MODULE FLAG ...'),
        ("python -m", "allowed python SCRIPT FLAG"),
        ("python lost.py", 'watch: got "lost.py", which is no file'),
    ],
)
def test_what_is_no_command_of_one_process_is_one_line(words: str, said: str) -> None:
    with pytest.raises(SpecError) as error:
        read_command(words.split())
    assert said in str(error.value)


def test_one_rank_of_several_is_not_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "run.py"
    script.write_text("")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SpecError, match='got WORLD_SIZE="2"; allowed unset'):
        read_command(["python", str(script)])
    monkeypatch.setenv("WORLD_SIZE", "1")
    found = read_command(["python", str(script), "--seed", "3"])
    assert (found.module, found.flags, found.cell.seed) == (False, ("--seed", "3"), 3)
    module = read_command(["python", "-m", "mine.train", "--seed", "4"])
    assert (module.module, module.name, module.cell.seed) == (True, "mine.train", 4)

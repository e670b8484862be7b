"""Every example runs as a user would run it, in an empty folder, and leaves a sound ledger."""

import re
from pathlib import Path

import pytest

from ledger import Ledger
from tests.kit.ledgers import git
from tests.kit.scripts import EXAMPLES, ROOT, ScriptServer, run_example

TOLD = {"digits", "digits_pipeline"}  # which have tests of what they tell, and are run twice there


@pytest.mark.parametrize("name", sorted({path.stem for path in EXAMPLES.glob("*.py")} - TOLD))
@pytest.mark.usefixtures("workdir")
def test_example_runs_twice(name: str, scripts: ScriptServer) -> None:
    """An example works in an empty folder and again where it has run before."""
    assert scripts.run(EXAMPLES / f"{name}.py", times=2)


def test_digits_tells_versions_and_accuracy(workdir: Path, scripts: ScriptServer) -> None:
    """The main example saves what it says: one dataset, two models, one commit for each publication; and runs again."""
    output = run_example(EXAMPLES / "digits.py")
    assert "saved my_dataset@1, my_model@1 and my_model@2" in output
    log = git(Ledger.open(), "log", "--format=%s")
    expected = [
        "log metadata on my_model@2: metrics",
        "save my_model@2",
        "save my_model@1",
        "save my_dataset@1",
        "start a ledger",
    ]
    assert expected == log.splitlines()
    assert (workdir / "my_dataset.zip").exists()
    assert "saved my_dataset@2, my_model@3 and my_model@4" in scripts.run(EXAMPLES / "digits.py")


def test_the_first_script_about_progress_prints_it(workdir: Path, scripts: ScriptServer) -> None:
    """The script of specs/access.md, 5 runs as it stands."""
    (workdir / "data").write_bytes(b"x" * 100)
    progress = (ROOT / "specs" / "access.md").read_text().partition("## 5. Progress")[2]
    script, bar = re.findall(r"(?ms)^```python\n(.*?)^```", progress)
    (workdir / "progress.py").write_text(script)
    assert "save raw 100 100" in scripts.run(workdir / "progress.py")
    assert "as bar, progress(show):" in bar


def test_the_examples_of_the_readme_save_what_they_say(workdir: Path, scripts: ScriptServer) -> None:
    """Its blocks of Python run one after another; what their comments name is there, and nothing was saved twice."""
    blocks = re.findall(r"(?ms)^```python\n(.*?)^```", (ROOT / "README.md").read_text())
    for number, block in enumerate(blocks):
        path = workdir / f"block_{number}.py"
        path.write_text(block)
        scripts.run(path)
    ledger = Ledger.open()
    saved = {f"{version.name}@{version.version}" for version in ledger.search()}
    named = set(re.findall(r"\w+@\w+", " ".join(re.findall("#.*", "".join(blocks)))))
    assert {"flowers@1", "iris_dataset@1", "iris_model@1"} <= named <= saved
    assert saved - named == {"metrics@1", "config@baseline", "train_split@1", "test_split@1"}
    assert ("production", "v2") == ledger.get("config").tags
    assert (workdir / "config.zip").is_file()

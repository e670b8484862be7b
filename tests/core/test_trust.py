"""Data is not code: nothing in a ledger runs unless this user trusts it."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger, load_artifact
from ledger.errors import ArgumentTypeError, ReadOnlyError, UnknownMaterializerError, UntrustedArtifactError
from ledger.ids import Digest
from tests.kit.histories import NOW
from tests.kit.ledgers import files_below, forge, run_python

WATCH = """
import sys
seen = []
watched = ("import", "exec", "os.system", "subprocess.Popen", "pickle.find_class", "open", "socket.connect")
evil = ("evil_module", "os:system", "subprocess", "antigravity")
def watch(event, arguments):
    if event in watched and any(word in str(arguments) for word in evil):
        seen.append((event, arguments[0]))
sys.path.insert(0, ".")
from ledger import Ledger
from ledger.errors import LedgerError
ledger = Ledger.open(".ledger")
ledger.load("seed", 1)
sys.addaudithook(watch)
for version in ledger.versions("seed"):
    repr(version), version._repr_html_(), version.metadata, version.files(), version.type, version.tags
    version.download_files(f"v{version.version}.zip")
    try:
        version.load()
    except LedgerError as error:
        print(type(error).__name__)
ledger.search(tag="t")
ledger.verify()
assert not seen, seen
"""


ELSEWHERE = """
from ledger import Ledger
from ledger.errors import UntrustedArtifactError
try:
    Ledger.open({path!r}).load("gadget")
except UntrustedArtifactError:
    raise SystemExit(0)
raise SystemExit("it was loaded")
"""


class Gadget:
    """A class that only cloudpickle takes."""

    def __init__(self, value: int) -> None:
        self.value = value


def _save_pickled(ledger: Ledger) -> Any:
    with pytest.warns(UserWarning, match="cloudpickle"):
        return ledger.save(Gadget(7), "gadget")


def _become_another_user(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder / "ledger" / "trust"


def test_who_the_user_is_by_now_is_asked_at_each_load(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An open ledger, and the functions, go by the trust of another user as soon as the environment names one."""
    saved = _save_pickled(ledger)
    monkeypatch.setenv("LEDGER_DIR", str(ledger.path))
    assert 7 == load_artifact("gadget").value
    _become_another_user(monkeypatch, tmp_path)
    for load in (saved.load, lambda: ledger.load("gadget"), lambda: load_artifact("gadget")):
        with pytest.raises(UntrustedArtifactError):
            load()


def test_without_a_place_for_trust_the_process_that_saved_trusts(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the trust file cannot be written, a save warns; its process loads the value, another asks for trust."""
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")  # where nobody makes a folder
    with pytest.warns(UserWarning, match="other processes will ask for trust"):
        saved = _save_pickled(Ledger.open(ledger.path))
    assert 7 == saved.load().value == Ledger.open(ledger.path).load("gadget").value
    run_python(ELSEWHERE.format(path=str(ledger.path)), tmp_path)


def test_the_saver_trusts_what_they_saved(ledger: Ledger) -> None:
    """A pickled value loads for the user who saved it, in a ledger opened anew as well."""
    saved = _save_pickled(ledger)
    assert 7 == saved.load().value == Ledger.open(ledger.path).load("gadget").value
    assert "code" == saved.trust_class


def test_trust_is_written_whole_however_little_is_taken(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that takes some bytes at a time, as a disk that is nearly full does, leaves no half of a line."""
    really = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: really(descriptor, bytes(data)[:20]))
    _save_pickled(ledger)
    assert 7 == Ledger.open(ledger.path).load("gadget").value


def test_trust_is_not_lost_behind_half_a_line(ledger: Ledger) -> None:
    """A disk that was full, or lost power, may have left one; what is trusted from then on is."""
    trust = ledger.workspace.trust
    trust.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    trust.path.write_text("sha256:0123")
    trust.path.chmod(0o600)
    trust.add(digest := Digest(f"sha256:{1:064}"), "iris@1", NOW)
    assert trust.holds(digest)


def test_another_user_is_asked(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For anybody else the load is refused; the error says what, whose, which bytes, and the command."""
    saved = _save_pickled(ledger)
    _become_another_user(monkeypatch, tmp_path / "grace")
    with pytest.raises(PermissionError) as caught:
        Ledger.open(ledger.path).load("gadget")
    error = caught.value
    assert UntrustedArtifactError is type(error)
    assert all(part in str(error) for part in ("gadget@1", "Ada <ada@example.com>", saved.digest, "Gadget"))
    assert "ledger trust gadget@1" in error.hint
    assert "trust=True" in error.hint
    assert ("gadget", "1", saved.digest) == (error.name, error.version, error.digest)  # type: ignore[attr-defined]


def test_trust_for_one_load_can_be_given_to_an_artifact(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the hint says, ``trust=True``, works as well where the latest version is loaded from its artifact."""
    _save_pickled(ledger)
    _become_another_user(monkeypatch, tmp_path / "grace")
    artifact = Ledger.open(ledger.path).artifact("gadget")
    with pytest.raises(UntrustedArtifactError):
        artifact.load()
    assert 7 == artifact.load(trust=True).value


def test_trust_can_be_given(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`Ledger.trust` lets this user load the version from now on, and no other content."""
    _save_pickled(ledger)
    with pytest.warns(UserWarning, match="cloudpickle"):
        ledger.save(Gadget(8), "gadget")
    _become_another_user(monkeypatch, tmp_path / "grace")
    mine = Ledger.open(ledger.path)
    mine.trust("gadget", 1)
    assert 7 == mine.load("gadget", 1).value == Ledger.open(ledger.path).load("gadget@1").value
    with pytest.raises(UntrustedArtifactError):
        mine.load("gadget", 2)


def test_trust_for_one_call_is_not_kept(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`trust=True` covers that call alone, at every entry point, and writes nothing."""
    _save_pickled(ledger)
    trust_file = _become_another_user(monkeypatch, tmp_path / "grace")
    mine = Ledger.open(ledger.path)
    monkeypatch.setenv("LEDGER_DIR", str(ledger.path))
    loads = [mine.load("gadget", trust=True), mine.get("gadget").load(trust=True), load_artifact("gadget", trust=True)]
    assert [7, 7, 7] == [gadget.value for gadget in loads]
    assert not trust_file.exists()
    with pytest.raises(UntrustedArtifactError):
        mine.load("gadget")


@pytest.mark.parametrize("word", ["no", 1, [False]])
def test_only_true_is_trust(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word: Any) -> None:
    """What is merely no falsehood, such as an option's text, is refused, and lets nothing run."""
    _save_pickled(ledger)
    _become_another_user(monkeypatch, tmp_path / "other")
    with pytest.raises(ArgumentTypeError, match=r"^trust is True or False, got "):
        Ledger.open(ledger.path).load("gadget", trust=word)


def test_files_need_no_trust(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever does not trust a version still gets its files, its metadata and a check of its bytes."""
    _save_pickled(ledger)
    _become_another_user(monkeypatch, tmp_path / "grace")
    mine = Ledger.open(ledger.path)
    assert mine.get("gadget").download_files(tmp_path / "x.zip").exists()
    assert mine.get("gadget").files()
    assert mine.verify().ok


def test_data_needs_no_trust_and_no_file(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Plain values load for everybody, and saving them writes no trust."""
    trust_file = _become_another_user(monkeypatch, tmp_path / "grace")
    ledger.save({"a": [1, 2.5, None]}, "x")
    assert {"a": [1, 2.5, None]} == Ledger.open(ledger.path).load("x")
    assert not trust_file.exists()


def test_the_trust_file_is_private(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The file lies in the user's state directory, outside the ledger, readable by its owner alone."""
    trust_file = _become_another_user(monkeypatch, tmp_path / "ada")
    saved = _save_pickled(Ledger.open(ledger.path))
    assert 0o600 == stat.S_IMODE(trust_file.stat().st_mode)
    assert saved.digest in trust_file.read_text()
    assert not [path for path in files_below(ledger.path) if "trust" in path]


def test_the_working_directory_grants_no_trust(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A relative XDG_STATE_HOME is passed over, as it would have every project bring a trust file along."""
    saved = _save_pickled(ledger)
    trust_file = tmp_path / "state" / "ledger" / "trust"
    trust_file.parent.mkdir(parents=True)
    trust_file.write_text(f"{saved.digest}\n")
    trust_file.chmod(0o600)
    monkeypatch.chdir(tmp_path)
    _become_another_user(monkeypatch, Path("state"))
    with pytest.raises(UntrustedArtifactError):
        Ledger.open(ledger.path).load("gadget")


@pytest.mark.parametrize("mode", [0o602, 0o620, 0o666])
def test_a_trust_file_that_others_may_write_is_refused(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: int
) -> None:
    """What anybody could have written is no evidence; the error names the file and the remedy."""
    trust_file = _become_another_user(monkeypatch, tmp_path / "ada")
    own = Ledger.open(ledger.path)
    _save_pickled(own)
    trust_file.chmod(mode)
    with pytest.raises(ReadOnlyError, match="by others") as caught:
        own.load("gadget")
    assert f"chmod 600 {trust_file}" in caught.value.hint
    assert 7 == own.load("gadget", trust=True).value


def test_a_folder_in_which_others_may_put_a_trust_file_is_refused(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where others may write, a link to any list of this user's, such as one restored from a ledger, would be trust."""
    trust_file = _become_another_user(monkeypatch, tmp_path / "ada")
    own = Ledger.open(ledger.path)
    _save_pickled(own)
    trust_file.rename(tmp_path / "restored")
    trust_file.symlink_to(tmp_path / "restored")
    trust_file.parent.chmod(0o770)
    with pytest.raises(ReadOnlyError, match="by others") as caught:
        own.load("gadget")
    assert f"chmod 700 {trust_file.parent}" in caught.value.hint


def test_no_file_of_the_ledger_grants_trust(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A trust file inside the ledger, a setting, or a variable changes nothing."""
    saved = _save_pickled(ledger)
    _become_another_user(monkeypatch, tmp_path / "grace")
    (ledger.path / "trust").write_text(f"{saved.digest}\n")
    (ledger.path / "ledger").mkdir()
    (ledger.path / "ledger" / "trust").write_text(f"{saved.digest}\n")
    monkeypatch.setenv("LEDGER_TRUST", "1")
    with pytest.raises(UntrustedArtifactError):
        Ledger.open(ledger.path).load("gadget")


@pytest.mark.parametrize("key", ["os:system", "evil_module.Evil", "subprocess.Popen", "builtin.cloudpickle/2", ""])
def test_an_unknown_materializer_is_never_imported(ledger: Ledger, tmp_path: Path, key: str) -> None:
    """A registry key that nobody registered is an error that quotes it; the files stay available."""
    seed = ledger.save(1, "seed")
    label = forge(ledger, seed, materializer=key)
    with pytest.raises(UnknownMaterializerError) as caught:
        ledger.load(label)
    assert isinstance(caught.value, KeyError)
    assert repr(key) in str(caught.value)
    assert ledger.get(label).download_files(tmp_path / "x.zip").exists()


def test_nothing_that_a_record_names_is_imported(workdir: Path) -> None:
    """Reading records full of names of modules imports, starts and opens none of them."""
    (workdir / "evil_module.py").write_text("raise SystemExit('imported')\n")
    ledger = Ledger.init(workdir / ".ledger")
    seed = ledger.save({"a": 1}, "seed", tags=["t"])
    forge(ledger, seed, materializer="os:system", data_type="subprocess.Popen")
    forge(ledger, seed, materializer="evil_module.Evil", data_type="evil_module.Evil")
    forge(ledger, seed, data_type="evil_module.Evil")
    forge(ledger, seed, data_type="antigravity.Anything")
    forge(ledger, seed, trust="data", materializer="builtin.cloudpickle/1", data_type="evil_module.Evil")
    done = run_python(WATCH, workdir)
    assert 2 == done.stdout.split().count("UnknownMaterializerError")
    assert 1 == done.stdout.split().count("UntrustedArtifactError")


def test_a_record_cannot_call_code_data(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a record says about trust is not believed: the materializer decides."""
    saved = _save_pickled(ledger)
    label = forge(ledger, saved, trust="data")
    _become_another_user(monkeypatch, tmp_path / "grace")
    with pytest.raises(UntrustedArtifactError):
        Ledger.open(ledger.path).load(label)

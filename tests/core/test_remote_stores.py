"""The stores of remotes: where they are, what is read from them while others are away, and what is put there."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from msgspec import structs

from ledger import Ledger
from ledger.blobs import create_store
from ledger.core import uploading
from ledger.core.noted_stores import NOTED_STORES_FILE
from ledger.errors import (
    ConfigError,
    FormatError,
    IntegrityError,
    MissingDependencyError,
    StorageError,
    StoreAccessError,
    StoreMismatchError,
    StoreUnavailableError,
)
from ledger.history import Remote
from ledger.history.sharing import plan_sync
from ledger.lookup import RemoteConfig, store_of_remote, write_remote
from ledger.maintenance import plan_gc
from tests.kit.contents import noise
from tests.kit.hubs import hub_tip, new_hub, shared
from tests.kit.ledgers import files_below, objects_of, values_by_version


def test_a_remote_is_read_from_as_long_as_the_settings_name_it(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """Whatever an open ledger has read before one is removed or added."""
    _, bob = pair
    assert "first" == bob.load("iris")
    bob.remove_remote("origin")
    with pytest.raises(IntegrityError, match="is missing"):
        bob.load("iris")
    bob.add_remote("origin", str(hub))
    assert "first" == bob.load("iris")


def test_a_remote_that_another_process_has_added_is_read_from(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """A ledger that stays open, as in a server, loads what a sync elsewhere brings into the same folder."""
    ada, bob = pair
    bob.remove_remote("origin")
    with pytest.raises(IntegrityError, match="is missing"):
        bob.load("iris")
    ada.save("second", "iris")
    ada.sync()
    elsewhere = Ledger.open(bob.path)
    elsewhere.add_remote("origin", str(hub))
    elsewhere.sync()
    assert {"1": "first", "2": "second"} == values_by_version(bob)


def test_what_another_process_lets_be_read_is_at_hand_for_a_run(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """A ledger that stays open takes up a remote before it says that the bytes of a step's outputs are gone."""
    _, bob = pair
    bob.remove_remote("origin")
    workspace = bob.workspace
    snapshot = workspace.snapshot()
    (claim,) = snapshot.all_claims()
    content = workspace.facts(snapshot, claim).manifest.content
    assert not workspace.has_at_hand(content)
    write_remote(bob.path, "origin", str(hub))
    assert workspace.has_at_hand(content)


def test_a_store_that_has_moved_is_followed_by_a_ledger_that_stays_open(tmp_path: Path) -> None:
    """What it loads and saves from then on lies where the settings say; none is made again at the old place."""
    open_one = Ledger.init(tmp_path / ".ledger")
    open_one.save(noise(100_000), "x")
    moved, settings = tmp_path / "moved", open_one.path / "config.toml"
    (open_one.path / "store").rename(moved)
    settings.write_text(settings.read_text().replace('store = "store"', f'store = "{moved}"'))
    assert noise(100_000) == open_one.load("x")
    open_one.save("second", "x")
    assert "second" == Ledger.open(open_one.path).load("x")
    assert not (open_one.path / "store").exists()


def test_a_save_of_a_ledger_that_stays_open_goes_where_the_store_is_by_now(tmp_path: Path) -> None:
    """Also one that comes before any load: others look for its bytes in the store that the settings name."""
    open_one = Ledger.init(tmp_path / ".ledger")
    open_one.save("first", "iris")
    moved, settings = tmp_path / "moved", open_one.path / "config.toml"
    (open_one.path / "store").rename(moved)
    settings.write_text(settings.read_text().replace('store = "store"', f'store = "{moved}"'))
    open_one.save("second", "iris")
    assert {"1": "first", "2": "second"} == values_by_version(Ledger.open(open_one.path))


def test_what_is_lost_before_a_first_sync_is_lost(tmp_path: Path, hub: Path) -> None:
    """A remote that nothing was published to holds nothing: its store, which is not made yet, is not called away."""
    ada = shared(tmp_path / "ada", hub)
    ada.save("first", "iris")
    (chunk,) = objects_of(ada, "chunks")
    chunk.unlink()
    with pytest.raises(IntegrityError, match="is missing"):
        ada.load("iris")


def test_a_url_without_a_store_is_not_pushed_to(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """Versions whose bytes nobody else could read are not published; settings say where to put them."""
    ada, _ = pair
    ada.save("second", "iris")
    far = RemoteConfig(url="https://ada:secret@example.com/team.git")
    assert "" == store_of_remote(ada.path, far)
    plan = plan_sync(ada.workspace.history, Remote("origin", str(hub)), author=ada.author, now=ada.now())
    there = structs.replace(plan, remote=Remote("origin", far.url))
    refused = pytest.raises(ConfigError, match=r"origin \(https://example.com/team.git\) has no store")
    with refused, uploading.uploaded(ada.workspace, far, there, sound=set()):
        pytest.fail("they would be pushed now")


@pytest.mark.parametrize("url", ["file://{}/hub.git", "file://localhost{}/hub.git", "{}/hub"])
def test_a_path_that_is_written_in_another_way(tmp_path: Path, url: str) -> None:
    """Bytes and history go to the same place: what Git decodes, leaves out or adds, it does for the store as well."""
    (team := tmp_path / "the team").mkdir()
    hub = new_hub(team)
    ada = Ledger.init(tmp_path / "ada")
    folder = str(team).replace(" ", "%20") if ":" in url else str(team)
    write_remote(ada.path, "origin", url.format(folder))
    ada.save("x", "iris")
    ada.sync()
    assert "x" == Ledger.clone(hub, tmp_path / "bob").load("iris")


@pytest.mark.parametrize("form", ["file://{}", "local://{}", "file://localhost{}"])
def test_a_ledger_with_its_bytes_in_another_folder_is_followed_there(tmp_path: Path, form: str) -> None:
    """However its settings write that folder, a clone reads what lies there, and puts there what it shares."""
    ada = Ledger.init(tmp_path / "ada", store=form.format(tmp_path / "bytes"))
    ada.save("x", "iris")
    bob = Ledger.clone(ada.path, tmp_path / "bob")
    assert "x" == bob.load("iris")
    bob.save("y", "iris")
    assert ("iris@2",) == bob.sync().pushed
    assert "y" == ada.load("iris")


def test_a_remote_with_a_store_of_its_own(tmp_path: Path, hub: Path) -> None:
    """``store`` in the settings wins over what lies beside the history."""
    ada = Ledger.init(tmp_path / "ada")
    write_remote(ada.path, "origin", str(hub), store=str(tmp_path / "bytes"))
    ada = Ledger.open(ada.path)
    ada.save("x", "iris")
    ada.sync()
    assert not (hub / "ledger-store").exists()
    assert (tmp_path / "bytes" / "store.json").exists()


@pytest.mark.parametrize("what", ["empty", "another"])
@pytest.mark.parametrize("who", ["first", "cloned"])
def test_a_store_that_was_unmounted_is_not_made_anew(tmp_path: Path, hub: Path, what: str, who: str) -> None:
    """Nothing is pushed whose bytes would lie in the mount point; with the disk back, everybody reads everything."""
    disk, mount = tmp_path / "disk", tmp_path / "mount"
    disk.mkdir()
    mount.symlink_to(disk)
    ada = Ledger.init(tmp_path / "ada" / ".ledger")
    write_remote(ada.path, "origin", str(hub), store=str(mount))
    ada.save("first", "iris")
    ada.sync()
    bob = Ledger.clone(hub, tmp_path / "bob" / ".ledger", str(mount))
    one, other = (ada, bob) if who == "first" else (bob, ada)
    mount.unlink()
    mount.mkdir()
    if what == "another":
        create_store(str(mount))
    one.save("second", "iris")
    before, files = hub_tip(hub), files_below(mount)
    with pytest.raises(StoreMismatchError, match="no artifact store at" if what == "empty" else "it had .* before"):
        one.sync()
    assert (before, files) == (hub_tip(hub), files_below(mount))
    shutil.rmtree(mount)
    mount.symlink_to(disk)
    assert ("iris@2",) == one.sync().pushed
    other.sync()
    assert {"1": "first", "2": "second"} == values_by_version(other)


def test_a_damaged_record_of_a_store_is_written_again_by_its_hint(
    pair: tuple[Ledger, Ledger], hub: Path, tmp_path: Path
) -> None:
    """A save goes on without such a store, a load names it, and the command that is told makes it what it was."""
    _, bob = pair
    (hub / "ledger-store" / "store.json").write_text("{")
    (tmp_path / "large").write_bytes(noise(300_000))
    with pytest.warns(UserWarning, match=r"going on without .* cannot be told from another one"):
        bob.save(tmp_path / "large", "large")
    with pytest.raises(StoreMismatchError, match=r"ledger-store cannot be told .*store\.json: not JSON") as caught:
        bob.sync()
    subprocess.run(caught.value.hint.split("`")[1], shell=True, check=True)  # as a user would
    assert ("large@1",) == bob.sync().pushed


@pytest.mark.parametrize("harm", ["{", '{"format": 7, "stores": {}}'])
def test_a_damaged_file_of_noted_stores_is_named(pair: tuple[Ledger, Ledger], harm: str) -> None:
    """A save goes on without those stores; a sync says what to do, such as to delete it, and notes them again then."""
    _, bob = pair
    (bob.path / NOTED_STORES_FILE).write_text(harm)
    with pytest.warns(UserWarning, match=f"going on without .*/ledger-store: .*/{NOTED_STORES_FILE}: "):
        bob.save(noise(300_000), "x")
    with pytest.raises(FormatError) as caught:
        bob.sync()
    assert caught.value.hint.startswith(("delete that file", "upgrade ledger"))
    (bob.path / NOTED_STORES_FILE).unlink()
    assert ("x@1",) == bob.sync().pushed


def with_small_and_large(tmp_path: Path, hub: Path) -> Ledger:
    """A ledger that shares by the hub, with a text that is one chunk, and the folder ``data``, which is a pack."""
    ledger = shared(tmp_path / "ada", hub)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_bytes(noise(300_000))
    ledger.save("first", "iris")
    ledger.save(tmp_path / "data", "large")
    return ledger


def damage(store: Path, *kinds: str) -> None:
    """Change a byte of each object of some kinds."""
    for path in (path for kind in kinds for path in store.glob(f"{kind}/*/*")):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)


@pytest.mark.parametrize("kind", ["chunks", "packs", "tables"])
def test_what_is_damaged_here_or_at_one_remote_is_loaded_from_another(tmp_path: Path, hub: Path, kind: str) -> None:
    """With a warning; a check tells the damage, and where what versions need cannot be told nothing is cleared."""
    ada = with_small_and_large(tmp_path, hub)
    ada.sync()
    bob = Ledger.clone(hub, tmp_path / "bob" / ".ledger")
    bob.add_remote("ada", str(ada.path))
    name = "iris" if kind == "chunks" else "large"
    expected = loaded(ada, name)
    damage(hub / "ledger-store", kind)
    with pytest.warns(UserWarning, match=f"/ledger-store/{kind}/.* is damaged: it was read from .*/ada/.ledger/store"):
        assert expected == loaded(Ledger.open(bob.path), name)
    assert [f"{name}@1"] == [problem.label for problem in bob.verify().problems]
    shutil.copytree(ada.path / "store" / kind, hub / "ledger-store" / kind, dirs_exist_ok=True)
    damage(ada.path / "store", kind)
    with pytest.warns(UserWarning, match=f"/store/{kind}/.* is damaged: it was read from .*/ledger-store"):
        assert expected == loaded(Ledger.open(ada.path), name)
    assert [f"{name}@1"] == [problem.label for problem in ada.verify().problems]
    if kind == "tables":
        with pytest.raises(IntegrityError, match="what large@1 needs cannot be told"):
            plan_gc(ada)


def loaded(ledger: Ledger, name: str) -> object:
    """A version's value, or the bytes of its one file."""
    value = ledger.load(name)
    return (value / "file").read_bytes() if isinstance(value, Path) else value


@pytest.mark.parametrize("what", ["empty", "another", "gone"])
def test_a_remotes_store_that_is_unmounted_is_away_and_no_damage(tmp_path: Path, hub: Path, what: str) -> None:
    """What only it has cannot be read, and nothing is said of it, by loads and checks; saves go on without it."""
    ada = with_small_and_large(tmp_path, hub)
    ada.sync()
    store = hub / "ledger-store"
    bob = Ledger.clone(hub, tmp_path / "bob" / ".ledger")
    store.rename(tmp_path / "away")
    if what != "gone":
        store.mkdir()
    if what == "another":
        create_store(str(store))
    said = "it had .* before" if what == "another" else "no artifact store at"
    for name in ("iris", "large"):
        with pytest.raises(StoreUnavailableError, match=said) as caught:
            bob.load(name)
        assert "mount the right store" in caught.value.hint
    for deep in (True, False):
        with pytest.raises(StoreUnavailableError, match=said):
            bob.verify(deep=deep)
    with pytest.warns(UserWarning, match=f"going on without what lies in the store .*{said}"):
        bob.save(tmp_path / "data", "large")
    assert noise(300_000) == (bob.load("large") / "file").read_bytes()
    shutil.rmtree(store, ignore_errors=True)
    (tmp_path / "away").rename(store)
    assert "first" == bob.load("iris")
    assert bob.verify().ok


@pytest.mark.parametrize("what", ["hub", "peer"])
def test_a_remotes_path_that_cannot_be_looked_at_is_away(tmp_path: Path, hub: Path, what: str) -> None:
    """As that of a dead mount: saves and loads of what is here go on, and what only it has is away, and no damage."""
    ada = with_small_and_large(tmp_path, hub)
    (ada.path / "store" / "linked").write_bytes(b"linked")
    ada.register(ada.path / "store" / "linked", "registered")
    ada.sync()
    there = hub if what == "hub" else ada.path
    path = Ledger.clone(there, tmp_path / "bob" / ".ledger").path
    there.rename(tmp_path / "away")
    there.symlink_to(there)
    bob = Ledger.open(path)
    for wanted in (lambda: bob.load("iris"), bob.sync):
        with pytest.raises(StorageError, match="Too many levels of symbolic links"):
            wanted()
    judging = (lambda: bob.load("iris"), lambda: bob.load("registered"), lambda: plan_gc(bob))
    for judges in (*judging, bob.verify, lambda: bob.verify(deep=False)):
        with pytest.raises(StoreUnavailableError, match="Too many levels of symbolic links"):
            judges()
    with pytest.warns(UserWarning, match="going on without what lies in the store .*Too many levels"):
        bob.save(tmp_path / "data", "large")
    assert noise(300_000) == (bob.load("large") / "file").read_bytes()
    there.unlink()
    (tmp_path / "away").rename(there)
    if what == "peer":  # where its bytes are stands in its settings
        with pytest.raises(StoreUnavailableError, match="could not be looked for at first"):
            bob.load("iris")
    assert "first" == bob.load("iris")
    assert bob.verify().ok


@pytest.mark.parametrize("what", ["absent", "empty"])
def test_a_peer_whose_disk_is_not_mounted_is_away(tmp_path: Path, hub: Path, what: str) -> None:
    """Where its bytes are stands in its settings, which are away with them: nothing is said of what it holds."""
    ada = with_small_and_large(tmp_path, hub)
    bob = Ledger.open(Ledger.clone(ada.path, tmp_path / "bob" / ".ledger").path)
    ada.path.rename(tmp_path / "away")
    if what == "empty":
        ada.path.mkdir()
    for judges in (lambda: bob.load("iris"), lambda: bob.load("large"), bob.verify, lambda: bob.verify(deep=False)):
        with pytest.raises(StoreUnavailableError, match=f"nothing is at {ada.path}, where origin should be") as caught:
            judges()
        assert "`ledger remote remove origin`" in caught.value.hint
    bob.save("own", "own")
    assert "own" == bob.load("own")
    shutil.rmtree(ada.path, ignore_errors=True)
    (tmp_path / "away").rename(ada.path)
    with pytest.raises(StoreUnavailableError, match="could not be looked for at first") as caught:
        bob.load("iris")
    assert "it can be now: try again" == caught.value.hint
    assert "first" == bob.load("iris")


def test_what_one_remote_cannot_give_another_one_does(tmp_path: Path, hub: Path) -> None:
    """A folder in the first one's store that cannot be looked at keeps nobody from what the second one has."""
    ada = with_small_and_large(tmp_path, hub)
    (ada.path / "store" / "linked").write_bytes(b"linked")
    ada.register(ada.path / "store" / "linked", "registered")
    ada.sync()
    bob = Ledger.clone(hub, tmp_path / "bob" / ".ledger")
    bob.add_remote("ada", str(ada.path))
    store = hub / "ledger-store"
    for place in ("chunks", "packs", "linked"):
        (store / place).rename(tmp_path / place)
        (store / place).symlink_to(store / place)
    assert "first" == bob.load("iris")
    assert noise(300_000) == (bob.load("large") / "file").read_bytes()
    assert b"linked" == bob.load("registered").read_bytes()
    assert bob.verify().ok


def test_a_remotes_store_that_cannot_be_opened_keeps_nobody_from_what_is_elsewhere(tmp_path: Path, hub: Path) -> None:
    """Where its host is down, or its library missing, what lies here or at another remote is loaded; only it is not."""
    ada = with_small_and_large(tmp_path, hub)
    (ada.path / "store" / "linked").write_bytes(b"linked")
    ada.register(ada.path / "store" / "linked", "registered")
    bob = Ledger.clone(ada.path, tmp_path / "bob" / ".ledger")
    bob.remove_remote("origin")
    write_remote(bob.path, "away", str(hub), store="sftp://127.0.0.1:1/store")
    bob = Ledger.open(bob.path)
    bob.save("own", "own")
    assert "own" == bob.load("own")
    for wanted in (lambda: bob.load("iris"), lambda: bob.load("registered"), bob.verify):
        with pytest.raises((StorageError, MissingDependencyError), match=r"sftp://127\.0\.0\.1:1/store"):
            wanted()
    bob.add_remote("peer", str(ada.path))
    assert ("first", b"linked") == (bob.load("iris"), bob.load("registered").read_bytes())
    assert bob.verify().ok


@pytest.mark.parametrize("store", ["nowhere://bucket", "s3://", "https://[::1", "local://", "az://container"])
def test_a_remotes_store_whose_url_is_none_keeps_nobody_from_what_is_elsewhere(
    tmp_path: Path, hub: Path, store: str
) -> None:
    """What lies here is saved, loaded and checked; only what asks that store fails, and names file and setting."""
    ada = with_small_and_large(tmp_path, hub)
    bob = Ledger.clone(ada.path, tmp_path / "bob" / ".ledger")
    bob.remove_remote("origin")
    write_remote(bob.path, "typed", str(hub))
    with (bob.path / "config.toml").open("a") as settings:
        settings.write(f'store = "{store}"\n')
    bob = Ledger.open(bob.path)
    with pytest.warns(UserWarning, match=r"going on without .*config\.toml: remotes\.typed\.store: "):
        bob.save(noise(300_000), "own")
    assert noise(300_000) == bob.load("own")
    for wanted in (lambda: bob.load("iris"), bob.verify, lambda: bob.sync("typed")):
        with pytest.raises(ConfigError, match=r"bob/\.ledger/config\.toml: remotes\.typed\.store: "):
            wanted()
    bob.add_remote("peer", str(ada.path))
    assert "first" == bob.load("iris")


def test_bad_settings_of_a_ledger_that_is_a_remote_keep_nobody_from_what_is_elsewhere(tmp_path: Path) -> None:
    """What lies here is saved and loaded; only what asks that ledger fails, and names its file."""
    peer = Ledger.init(tmp_path / "peer" / ".ledger")
    peer.save("first", "iris")
    own = Ledger.clone(peer.path, tmp_path / "own" / ".ledger")
    (peer.path / "config.toml").write_text("store = 7")
    own = Ledger.open(own.path)
    own.save(noise(300_000), "large")
    assert noise(300_000) == own.load("large")
    with pytest.raises(ConfigError, match=r"peer/\.ledger/config\.toml: store is 7"):
        own.load("iris")


class Late(LocalFileSystem):  # type: ignore[misc]  # of a library without types
    """A host behind fsspec that may be down."""

    protocol = "late"
    is_up = True

    def __init__(self, **options: Any) -> None:
        if not self.is_up:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        super().__init__(**options)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(LocalFileSystem._strip_protocol(path.removeprefix("late://")))


def test_a_remotes_store_that_could_not_be_opened_at_first_is_one_like_others(
    tmp_path: Path, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once its host is up again: a bad copy in the cache is read anew, too."""
    fsspec.register_implementation("late", Late, clobber=True)
    ada, url = with_small_and_large(tmp_path, hub), f"late://{tmp_path}/bytes"
    ada.remove_remote("origin")
    write_remote(ada.path, "origin", str(hub), store=url)
    Ledger.open(ada.path).sync()
    bob = Ledger.clone(hub, tmp_path / "bob" / ".ledger", store=url)
    Late.clear_instance_cache()
    monkeypatch.setattr(Late, "is_up", False)
    bob = Ledger.open(bob.path)
    with pytest.raises(StoreUnavailableError, match="Connection refused"):
        loaded(bob, "large")
    monkeypatch.setattr(Late, "is_up", True)
    assert noise(300_000) == loaded(bob, "large")
    for page in Path(os.environ["XDG_CACHE_HOME"]).glob("ledger/objects/packs/*/*"):
        page.write_bytes(bytes(page.stat().st_size))
    assert noise(300_000) == loaded(bob, "large")


def test_a_folder_of_a_remotes_store_that_is_closed_is_no_damage(tmp_path: Path, hub: Path) -> None:
    """Who may not look into it is told so, by loads and checks."""
    with_small_and_large(tmp_path, hub).sync()
    bob = Ledger.clone(hub, tmp_path / "bob" / ".ledger")
    closed = hub / "ledger-store" / "chunks"
    closed.chmod(0)
    try:
        if os.access(closed, os.X_OK):
            pytest.skip("root may look everywhere")
        for judges in (lambda: bob.load("iris"), bob.verify, lambda: bob.verify(deep=False)):
            with pytest.raises(StoreAccessError, match="Permission denied") as caught:
                judges()
            assert "check the permissions of the path" == caught.value.hint
        assert noise(300_000) == (bob.load("large") / "file").read_bytes()
    finally:
        closed.chmod(0o755)


def test_registered_data_of_a_remote_that_is_closed_is_no_damage(tmp_path: Path, hub: Path) -> None:
    """Who may not read it is told so, by loads and checks, as of every other object there."""
    ada = shared(tmp_path / "ada", hub)
    (data := ada.path / "store" / "raw").joinpath("sub").mkdir(parents=True)
    for path in ("file", "sub/other"):
        (data / path).write_text("x")
    (data / "sub" / "link").symlink_to("other")
    ada.register(data, "raw")
    ada.sync()
    Ledger.clone(hub, tmp_path / "bob" / ".ledger")
    code = (
        "import os\n"
        "from ledger import Ledger\n"
        "from ledger.errors import StoreAccessError\n"
        f"there = {str(tmp_path / 'there')!r}\n"
        "def reads():\n"
        "    return [raw.open(path).read() for path in ('sub/link', 'file')]\n"
        "for closed in ('raw', 'raw/sub', 'raw/file'):\n"
        f"    bob = Ledger.open({str(tmp_path / 'bob' / '.ledger')!r})\n"
        "    raw = bob.get('raw')\n"
        f"    blocked = os.path.join({str(hub / 'ledger-store')!r}, closed)\n"
        "    mode = os.stat(blocked).st_mode\n"
        "    os.chmod(blocked, 0)\n"
        "    for judges in (bob.verify, raw.load, reads, lambda: raw.restore(there)):\n"
        "        try:\n"
        "            print(judges())\n"
        "        except StoreAccessError as error:\n"
        "            print(str(error).endswith(': Permission denied'), error.hint)\n"
        "    os.chmod(blocked, mode)\n"
    )
    # Root may read anything, unless it gives up its capabilities.
    plain = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    if plain and not shutil.which(plain[0]):
        pytest.skip("needs setpriv, to be root without its powers")
    done = subprocess.run([*plain, sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "True check the permissions of the path\n" * 12 == done.stdout, done.stderr


def test_a_store_that_was_replaced_on_purpose_is_filled_again(tmp_path: Path, hub: Path) -> None:
    """Once the note is deleted, as is said, each sync puts there what its ledger stores, be it published or not."""
    ada = shared(tmp_path / "ada", hub)
    ada.save("first", "iris")
    ada.sync()
    bob = Ledger.clone(hub, tmp_path / "bob" / ".ledger")
    bob.save("second", "iris")
    bob.sync()
    shutil.rmtree(hub / "ledger-store")
    with pytest.warns(UserWarning, match="the bytes at origin cannot be read: no artifact store at"):
        bob.sync()
    ada.save("third", "wine")
    with pytest.raises(StoreMismatchError, match="no artifact store at") as caught:
        ada.sync()
    assert f"delete {ada.path / NOTED_STORES_FILE}: the next sync puts there" in caught.value.hint
    (ada.path / NOTED_STORES_FILE).unlink()
    with pytest.warns(UserWarning, match="is a new store, without 1 of the versions that others saved"):
        assert ("wine@1",) == ada.sync().pushed
    (bob.path / NOTED_STORES_FILE).unlink()
    bob.sync()
    assert Ledger.clone(hub, tmp_path / "eve" / ".ledger").verify().ok


def test_another_store_is_filled_by_the_sync_that_brings_all(tmp_path: Path, hub: Path) -> None:
    """One that a sync could not bring all to is new for the next one, which brings what was published before, too."""
    ada = shared(tmp_path / "ada", hub)
    ada.save("first", "iris")
    ada.sync()
    create_store(str(other := tmp_path / "other"))
    ada.remove_remote("origin")
    ada.add_remote("origin", hub, other)
    before = objects_of(ada, "chunks")
    ada.save("second", "iris")
    (chunk,) = set(objects_of(ada, "chunks")) - set(before)
    whole = chunk.read_bytes()
    chunk.write_bytes(b"damaged")
    with pytest.raises(IntegrityError):
        ada.sync()
    chunk.write_bytes(whole)
    ada.sync()
    assert "first" == Ledger.clone(hub, tmp_path / "bob" / ".ledger", other).load("iris", 1)


def test_a_store_that_lost_single_objects_is_filled_again(tmp_path: Path, hub: Path) -> None:
    """As the hint for what it has lost says: whoever saved it deletes the file of noted stores, and syncs."""
    ada = with_small_and_large(tmp_path, hub)
    ada.sync()
    bob = Ledger.clone(hub, tmp_path / "bob" / ".ledger")
    for lost in (hub / "ledger-store").glob("packs/*/*"):
        lost.unlink()
    with pytest.raises(IntegrityError, match="is missing") as caught:
        loaded(bob, "large")
    assert NOTED_STORES_FILE in caught.value.hint
    (ada.path / NOTED_STORES_FILE).unlink()
    Ledger.open(ada.path).sync()
    assert noise(300_000) == loaded(Ledger.open(bob.path), "large")

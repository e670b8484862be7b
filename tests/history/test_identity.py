"""Who is writing, as Git would say."""

import os
import subprocess
from pathlib import Path

import pytest

from ledger.history import History, git_identity, host_identity
from tests.kit.histories import NOW, again, draft, git

CONFIG = "[user]\n\tname = {name}\n\temail = {name}@example.com\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    (folder / ".config" / "git").mkdir(parents=True)
    return folder


def write(path: Path, name: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(CONFIG.format(name=name))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "deep" / "down").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


def test_without_any_identity_there_is_none(home: Path, tmp_path: Path) -> None:
    """Nobody is made up."""
    if not Path("/etc/gitconfig").exists():
        assert git_identity(tmp_path, {"HOME": str(home)}) is None


def test_the_users_configuration_says_who(home: Path, tmp_path: Path) -> None:
    """``~/.gitconfig`` names the user."""
    write(home / ".gitconfig", "Ada")
    assert "Ada <Ada@example.com>" == git_identity(tmp_path, {"HOME": str(home)})


@pytest.mark.parametrize("chosen", [True, False])
def test_the_xdg_configuration_says_who(home: Path, tmp_path: Path, chosen: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """``$XDG_CONFIG_HOME/git/config``, or ``~/.config/git/config`` without that variable."""
    environment = {"HOME": str(home)}
    if chosen:
        environment["XDG_CONFIG_HOME"] = str(tmp_path / "xdg")
        write(home / ".config" / "git" / "config", "Wrong")
    write((tmp_path / "xdg" if chosen else home / ".config") / "git" / "config", "Ada")
    assert "Ada <Ada@example.com>" == git_identity(tmp_path, environment)


def test_the_project_wins_over_the_user(home: Path, project: Path) -> None:
    """A repository's own configuration, found from any folder below it, is nearer."""
    write(home / ".gitconfig", "Ada")
    write(project / ".git" / "config", "Work")
    assert "Work <Work@example.com>" == git_identity(project / "deep" / "down", {"HOME": str(home)})


def test_the_environment_wins_over_all(home: Path, project: Path) -> None:
    """GIT_AUTHOR_NAME and GIT_AUTHOR_EMAIL are nearest, one by one."""
    write(project / ".git" / "config", "Work")
    environment = {"HOME": str(home), "GIT_AUTHOR_NAME": "Env"}
    assert "Env <Work@example.com>" == git_identity(project, environment)
    assert "Env <e@f>" == git_identity(project, {**environment, "GIT_AUTHOR_EMAIL": "e@f"})


def test_a_chosen_global_configuration_replaces_the_users(home: Path, tmp_path: Path) -> None:
    """GIT_CONFIG_GLOBAL is read instead of the files at home."""
    write(home / ".gitconfig", "Ada")
    write(tmp_path / "chosen", "Other")
    environment = {"HOME": str(home), "GIT_CONFIG_GLOBAL": str(tmp_path / "chosen")}
    assert "Other <Other@example.com>" == git_identity(tmp_path, environment)


@pytest.mark.parametrize(
    "text", ["[user\nname = x", "\x00\xff", "[user]\n\tname = \\q\n", "name = x", "[user]\nname", "[]"]
)
def test_a_malformed_configuration_is_passed_over(home: Path, tmp_path: Path, text: str) -> None:
    """A file that Git itself would complain about stops nobody from saving."""
    (home / ".gitconfig").write_text(text, encoding="utf-8")
    write(home / ".config" / "git" / "config", "Ada")
    found = git_identity(tmp_path, {"HOME": str(home)})
    assert found is not None
    assert found.endswith("<Ada@example.com>")


def test_what_git_says_is_what_we_say(home: Path, project: Path) -> None:
    """With name and address from different files, Git and we agree."""
    (home / ".gitconfig").write_text('[user]\n\tname = "Ada  of # London" ; a comment\n\temail = a@b\n')
    (project / ".git" / "config").write_text("[core]\n\tbare = false\n[user]\n\temail = work@b\n")
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    command = ["git", "-C", str(project), "var", "GIT_AUTHOR_IDENT"]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert said.rsplit(" ", 2)[0] == git_identity(project, environment)


def said_by_git(folder: Path, home: Path) -> str:
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-C", str(folder), "var", "GIT_AUTHOR_IDENT"]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return said.rsplit(" ", 2)[0]


@pytest.fixture
def linked(project: Path, home: Path) -> Path:
    """A linked work tree of the project, beside it."""
    write(home / ".gitconfig", "Ada")
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    for words in (["commit", "-q", "--allow-empty", "-m", "x"], ["worktree", "add", "-q", "../linked"]):
        subprocess.run(["git", "-C", str(project), *words], env=environment, check=True)
    return project.parent / "linked"


def test_a_linked_work_tree_has_the_projects_identity(home: Path, project: Path, linked: Path) -> None:
    """Where `.git` is a file, the configuration that it leads to says who."""
    write(project / ".git" / "config", "Work")
    assert "Work <Work@example.com>" == said_by_git(linked, home) == git_identity(linked, {"HOME": str(home)})


@pytest.mark.parametrize(
    "condition",
    [
        "gitdir:{base}/",
        "gitdir:{base}/project/.git",
        "gitdir:{base}/*/.git",
        "gitdir:{base}/p?oject/**",
        "gitdir:project/",
        "gitdir:**/project/.git",
        "gitdir:PROJECT/",
        "gitdir/i:PROJECT/",
        "gitdir:{base}/pro",
        "gitdir:{base}/*",
        "gitdir:./../project/",
        "gitdir:~/",
        "onbranch:main",
    ],
)
def test_conditions_on_the_folder_are_judged_as_git_does(
    home: Path, project: Path, linked: Path, condition: str
) -> None:
    """``includeIf "gitdir:…"`` gives who they are at work to the projects there, and to no others."""
    write(home / "work", "Work")
    told = condition.format(base=project.parent)
    (home / ".gitconfig").write_text(f'{CONFIG.format(name="Ada")}[includeIf "{told}"]\n\tpath = work\n')
    environment = {"HOME": str(home)}
    if not condition.startswith("onbranch"):  # which Git alone can tell
        for folder in (project / "deep", linked):
            assert said_by_git(folder, home) == git_identity(folder, environment)
    assert "Ada <Ada@example.com>" == git_identity(home, environment)


@pytest.mark.parametrize("is_included", [True, False])
@pytest.mark.parametrize("kind", ["fifo", "endless", "large"])
def test_no_configuration_of_a_project_is_waited_for(
    home: Path,
    project: Path,
    kind: str,
    is_included: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    """A project may be anybody's: what is no small regular file there says nothing, be it only included."""
    write(home / ".gitconfig", "Ada")
    place = project / ".git" / ("included" if is_included else "config")
    place.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "endless":
        place.symlink_to("/dev/zero")
    else:
        write(place, "Bob")
        os.truncate(place, 1 << 40)
    if is_included:
        (project / ".git" / "config").write_text("[include]\n\tpath = included\n")
    assert "Ada <Ada@example.com>" == git_identity(project, {"HOME": str(home)})


def test_a_project_includes_files_but_tries_no_pattern(home: Path, project: Path) -> None:
    """What it includes in any case counts; a pattern that takes for ever to fit is passed over."""
    write(project / ".git" / "work", "Work")
    pattern = f"hasconfig:remote.*.url:{'*a' * 40}b"
    (project / ".git" / "config").write_text(
        f'[remote "x"]\n\turl = {"a" * 1000}\n[includeIf "{pattern}"]\n\tpath = none\n[include]\n\tpath = work\n'
    )
    assert "Work <Work@example.com>" == git_identity(project, {"HOME": str(home)})


def test_a_file_that_leads_to_the_project_may_be_of_any_size(home: Path, tmp_path: Path) -> None:
    """One that is no file of Git's is not read as a whole."""
    write(home / ".gitconfig", "Ada")
    (tmp_path / ".git").touch()
    os.truncate(tmp_path / ".git", 1 << 40)
    assert "Ada <Ada@example.com>" == git_identity(tmp_path, {"HOME": str(home)})


def test_a_condition_may_name_the_users_home(project: Path) -> None:
    """Who somebody is at work is who they are in every project of theirs, where that stands on ``~/``."""
    home = project.parent
    write(home / "work", "Work")
    (home / ".gitconfig").write_text('[includeIf "gitdir:~/"]\n\tpath = work\n')
    assert "Work <Work@example.com>" == said_by_git(project, home) == git_identity(project, {"HOME": str(home)})


def test_what_no_commit_can_hold_is_left_out(home: Path, tmp_path: Path) -> None:
    """Records name the user as commits do: without line ends and angle brackets, and a blank says nothing."""
    write(home / ".gitconfig", "Ada")
    environment = {"HOME": str(home), "GIT_AUTHOR_NAME": " \t", "GIT_AUTHOR_EMAIL": "<a\n>@b"}
    assert "Ada <a@b>" == git_identity(tmp_path, environment)
    assert "Eve Grace <a@b>" == git_identity(tmp_path, {**environment, "GIT_AUTHOR_NAME": " Eve\n <Grace>"})


def test_bytes_that_are_no_unicode_become_marks(home: Path, tmp_path: Path) -> None:
    """A name from an environment in another encoding can stand in a record."""
    environment = {"HOME": str(home), "GIT_AUTHOR_NAME": "J\udcf6rg", "GIT_AUTHOR_EMAIL": "j@k"}
    found = git_identity(tmp_path, environment)
    assert found is not None
    assert "J�rg <j@k>".encode() == found.encode()


def test_a_host_and_its_users_may_have_any_names() -> None:
    """Who has no identity of Git's is called by names that the system may have in any bytes."""
    assert "g�ev@h�te <g�ev@h�te>" == host_identity("g\udce9\n<ev>", "h\udce9te")


@pytest.mark.parametrize(
    "author",
    [
        "A <b> C <d@e>",
        "Evil\ntree 0000 <a@b>",
        " <>",
        "\x00\x01 <\x7f>",
        "<<>> <a@b>> 0 +0000\nparent x>",
        "Jörg 日本 <j@k>",
        "J\udcf6rg <j@k>",
        "no address",
        "",
        "dots... <.a@b.>",
    ],
    ids=ascii,
)
def test_hostile_identities_make_sound_commits(history: History, author: str) -> None:
    """Whatever an identity holds, the commit has its parts where Git wants them."""
    published = history.publish([draft()], author=author, now=NOW)
    assert "2" == git(history, "rev-list", "--count", "main")
    assert published.commit == next(again(history).log()).id

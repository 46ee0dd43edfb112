"""The code that ran, as real processes started in every usual way find it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearml_otel.clearml import code as code_module
from clearml_otel.clearml.code import MAX_SOURCE, CodeInfo, find_code
from clearml_otel.clearml.git import without_credentials

PROGRAM = """
import sys
from dataclasses import asdict
from clearml_otel.clearml.code import find_code
print(asdict(find_code(store_code={store})))
"""

Run = Callable[..., CodeInfo]


def git(folder: Path, *arguments: str) -> None:
    author = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *author, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs Python and returns what `PROGRAM` printed."""

    def started(*arguments: Any, cwd: Path = tmp_path, stdin: str = "", **env: str) -> CodeInfo:
        environ = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent), **env}
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=cwd,
            env=environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("{'repository'")]
        assert len(lines) == 1, done
        return CodeInfo(**ast.literal_eval(lines[0]))

    return started


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A working tree with one commit, `src/app.py` in it."""
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "app.py").write_text(PROGRAM.format(store=True))
    (folder / "notes.txt").write_text("one\n")
    git(folder, "init", "-b", "trunk")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    return folder


def commit_of(folder: Path) -> str:
    return subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=folder, text=True).strip()


def test_a_committed_script_has_its_commit_and_no_diff(run: Run, repository: Path) -> None:
    git(repository, "remote", "add", "origin", "https://me:secret@example.com/team/project.git")
    info = run(repository / "src" / "app.py", cwd=repository)
    assert info.repository == "https://example.com/team/project.git"
    assert (info.branch, info.version_num) == ("trunk", commit_of(repository))
    assert (info.working_dir, info.entry_point) == (".", "src/app.py")
    assert (info.diff, info.notebook) == ("", False)
    assert info.binary == f"python{sys.version_info.major}.{sys.version_info.minor}"


def test_what_is_not_committed_is_the_diff_only_if_it_may_be_stored(
    run: Run, repository: Path
) -> None:
    (repository / "notes.txt").write_text("two\n")
    app = repository / "src" / "app.py"
    assert "-one\n+two\n" in run(app).diff
    app.write_text(PROGRAM.format(store=False))
    info = run(app)
    assert info.diff == ""
    assert info.version_num == commit_of(repository)


def test_an_untracked_script_is_part_of_the_diff(run: Run, repository: Path) -> None:
    script = repository / "try it.py"
    script.write_text(PROGRAM.format(store=True))
    (repository / "secret.env").write_text("KEY=1")
    info = run(script, cwd=repository / "src")
    assert "+++ b/try it.py" in info.diff
    assert "+from dataclasses import asdict" in info.diff
    assert "KEY=1" not in info.diff
    assert (info.working_dir, info.entry_point) == ("src", "../try it.py")


def test_before_the_first_commit_the_source_is_stored(run: Run, tmp_path: Path) -> None:
    git(tmp_path, "init", "-b", "trunk")
    script = tmp_path / "app.py"
    script.write_text(PROGRAM.format(store=True))
    info = run(script)
    assert (info.branch, info.version_num) == ("trunk", "")
    assert info.diff == script.read_text()
    assert info.repository == str(tmp_path)


def test_without_a_repository_the_source_is_stored(run: Run, tmp_path: Path) -> None:
    script = tmp_path / "app.py"
    script.write_text(PROGRAM.format(store=True))
    info = run(script)
    assert info.diff == script.read_text()
    assert (info.repository, info.branch, info.version_num) == ("", "", "")
    assert (info.working_dir, info.entry_point) == (".", "app.py")


def test_without_store_code_no_source_is_stored(run: Run, tmp_path: Path) -> None:
    script = tmp_path / "app.py"
    script.write_text(PROGRAM.format(store=False))
    assert run(script).diff == ""


def test_a_module_is_shown_as_it_was_started(run: Run, tmp_path: Path) -> None:
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "tool.py").write_text(PROGRAM.format(store=True))
    (package / "__main__.py").write_text(PROGRAM.format(store=True))
    info = run("-m", "pack.tool", "--token", "secret")
    assert info.entry_point == "-m pack.tool"
    assert info.diff == PROGRAM.format(store=True)
    assert run("-m", "pack").entry_point == "-m pack"


def test_a_folder_is_a_script(run: Run, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__main__.py").write_text(PROGRAM.format(store=True))
    assert run(tmp_path / "app").entry_point == "app"


def test_code_given_as_an_argument(run: Run) -> None:
    info = run("-W", "ignore", "-c", PROGRAM.format(store=True), "an argument")
    assert (info.entry_point, info.diff) == ("-c", PROGRAM.format(store=True))


@pytest.mark.parametrize("arguments", [(), ("-",), ("-i",)])
def test_a_console_has_no_source(run: Run, arguments: tuple[str, ...]) -> None:
    info = run(*arguments, stdin=PROGRAM.format(store=True))
    assert (info.entry_point, info.diff) == ("<stdin>", "")


@pytest.mark.parametrize("way", ["script", "module"])
def test_an_installed_tool_is_no_code_of_the_user(run: Run, repository: Path, way: str) -> None:
    program = PROGRAM.format(store=True).replace("\n", "\n    ")
    (repository / "test_it.py").write_text(f"def test_it():{program}")
    tool = ["-m", "pytest"] if way == "module" else [f"{sysconfig.get_path('scripts')}/pytest"]
    info = run(*tool, "-s", "-q", "-p", "no:cacheprovider", "test_it.py", cwd=repository)
    assert info.entry_point == " ".join(tool).rpartition("/")[2]
    assert info.version_num == commit_of(repository)
    assert info.diff == ""


def test_a_large_diff_is_cut_and_says_so(run: Run, repository: Path) -> None:
    (repository / "notes.txt").write_text("x" * 100 + "\n" + "line\n" * 300_000)
    diff = run(repository / "src" / "app.py").diff
    assert len(diff) == MAX_SOURCE
    assert diff.startswith("diff --git")
    assert diff.endswith("# The diff goes on; only its first 512,000 characters are stored.\n")


def test_git_starts_nothing_that_was_configured(run: Run, repository: Path) -> None:
    hook = repository / "hook.sh"
    hook.write_text(f"#!/bin/sh\ntouch {repository / 'started'}\n")
    hook.chmod(0o700)
    git(repository, "config", "diff.external", str(hook))
    git(repository, "config", "core.fsmonitor", str(hook))
    git(repository, "config", "core.pager", str(hook))
    (repository / "notes.txt").write_text("two\n")
    assert "+two" in run(repository / "src" / "app.py").diff
    assert not (repository / "started").exists()


def test_a_git_that_hangs_is_given_up(run: Run, repository: Path, tmp_path: Path) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "git").write_text("#!/bin/sh\nexec sleep 1000\n")
    (bin_folder / "git").chmod(0o700)
    info = run(repository / "src" / "app.py", PATH=f"{bin_folder}:{os.environ['PATH']}")
    assert (info.repository, info.entry_point) == ("", "app.py")


def test_no_git_is_no_error(run: Run, repository: Path, tmp_path: Path) -> None:
    info = run(repository / "src" / "app.py", PATH=str(tmp_path))
    assert (info.repository, info.entry_point) == ("", "app.py")
    assert info.diff == (repository / "src" / "app.py").read_text()


def test_a_hook_s_variables_do_not_lead_to_another_repository(run: Run, repository: Path) -> None:
    info = run(repository / "src" / "app.py", GIT_DIR="/nowhere", GIT_WORK_TREE="/nowhere")
    assert info.version_num == commit_of(repository)


def test_it_works_at_interpreter_exit_and_in_a_thread(run: Run, repository: Path) -> None:
    program = PROGRAM.format(store=True).strip().splitlines()
    wrapped = "\n".join(
        [
            *program[:-1],
            "import atexit, threading",
            "def last():",
            f"    {program[-1]}",
            "atexit.register(last) if sys.argv[1:] else threading.Thread(target=last).start()",
        ]
    )
    app = repository / "src" / "app.py"
    app.write_text(wrapped)
    for arguments in ([], ["exit"]):
        info = run(app, *arguments)
        assert info.version_num == commit_of(repository)
        assert info.entry_point == "src/app.py"
        assert "+def last():" in info.diff


SHELL = """
class Shell:
    kernel = {kernel}
    user_ns = {{"In": ["", "x = 1", "get_ipython().system('ls')", "print(x)\\n"], **{names}}}

def get_ipython():
    return Shell
"""


@pytest.fixture
def notebook(run: Run, tmp_path: Path) -> Run:
    """Runs `PROGRAM` where IPython is loaded; a stand-in, for the shell is only looked at."""

    def started(store: bool = True, kernel: str = "object()", names: str = "{}", **env: str) -> Any:
        (tmp_path / "IPython.py").write_text(SHELL.format(kernel=kernel, names=names))
        (tmp_path / "launch.py").write_text("import IPython\n" + PROGRAM.format(store=store))
        return run(tmp_path / "launch.py", **env)

    return started


def test_a_notebook_is_its_executed_cells(notebook: Run, tmp_path: Path) -> None:
    info = notebook(JPY_SESSION_NAME=str(tmp_path / "deep dive.ipynb"))
    assert (info.entry_point, info.notebook) == ("deep dive.py", True)
    assert info.diff == "x = 1\n\n# get_ipython().system('ls')\n\nprint(x)\n"
    assert notebook(store=False, JPY_SESSION_NAME="n.ipynb").diff == ""


def test_notebooks_of_vs_code_and_without_a_name(notebook: Run) -> None:
    names = '{"__vsc_ipynb_file__": "/nowhere/study.ipynb"}'
    assert notebook(names=names, JPY_SESSION_NAME="").entry_point == "study.py"
    assert notebook(JPY_SESSION_NAME="").entry_point == "notebook.py"


def test_a_notebook_in_a_repository_has_its_commit(notebook: Run, repository: Path) -> None:
    info = notebook(JPY_SESSION_NAME=str(repository / "n.ipynb"))
    assert info.version_num == commit_of(repository)
    assert info.diff.startswith("x = 1")


def test_ipython_in_a_terminal_is_no_notebook(notebook: Run) -> None:
    info = notebook(kernel="None")
    assert (info.entry_point, info.notebook) == ("<ipython>", False)
    assert info.diff.startswith("x = 1")


def test_what_is_installed_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a third of a second, and a service may make a task for each request."""
    first = find_code(store_code=False)
    looked: list[bool] = []
    monkeypatch.setattr(code_module.metadata, "packages_distributions", lambda: looked.append(True))
    assert find_code(store_code=False) == first
    assert looked == []


def test_packages_that_are_imported_are_listed_as_clearml_lists_them() -> None:
    lines = find_code(store_code=False).requirements_pip.splitlines()
    assert lines[0] == "# Python " + sys.version.replace("\n", " ")
    assert lines[1] == ""
    assert f"pytest == {pytest.__version__}" in lines
    assert lines[2:] == sorted(lines[2:], key=str.lower)
    assert not any(line.startswith(("pip ", "setuptools ")) for line in lines)


def test_variables_say_what_an_image_was_built_from(run: Run, tmp_path: Path) -> None:
    script = tmp_path / "app.py"
    script.write_text(PROGRAM.format(store=False))
    info = run(
        script,
        CLEARML_VCS_REPO_URL="https://token@example.com/r.git",
        CLEARML_VCS_COMMIT_ID="abc",
        CLEARML_VCS_BRANCH="main",
    )
    assert (info.repository, info.version_num, info.branch) == (
        "https://example.com/r.git",
        "abc",
        "main",
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://github.com/o/r.git", "https://github.com/o/r.git"),
        ("https://user:pass@github.com/o/r.git", "https://github.com/o/r.git"),
        ("https://ghp_token@github.com:8443/o/r", "https://github.com:8443/o/r"),
        ("https://a@b:c@github.com/o/r", "https://github.com/o/r"),
        ("https://h/r?private_token=x#y", "https://h/r"),
        ("ssh://git@github.com/o/r.git", "ssh://git@github.com/o/r.git"),
        ("ssh://git:pw@github.com/o/r.git", "ssh://git@github.com/o/r.git"),
        ("git@github.com:o/r.git", "git@github.com:o/r.git"),
        ("user:pw@host:o/r.git", "user@host:o/r.git"),
        ("/srv/git/r.git", "/srv/git/r.git"),
        ("", ""),
    ],
)
def test_addresses_lose_their_secrets(url: str, expected: str) -> None:
    assert without_credentials(url) == expected


def test_the_script_of_a_task() -> None:
    info = CodeInfo(repository="r", version_num="v", requirements_pip="a == 1", binary="python3")
    assert info.as_script() == {
        "repository": "r",
        "branch": "",
        "version_num": "v",
        "entry_point": "",
        "working_dir": ".",
        "diff": "",
        "binary": "python3",
        "requirements": {"pip": "a == 1", "conda": ""},
    }

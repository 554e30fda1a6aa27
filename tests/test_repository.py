"""Hold the repository to the rules of the house that no other tool checks."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "fleeting"
MODULES = sorted(PACKAGE.rglob("*.py"))
PYTHON_FILES = sorted(
    path for top in ("src", "tests", "bench") for path in (ROOT / top).rglob("*.py")
)

LONGEST_FUNCTION = 60
LONGEST_FILE = 500
SHORTEST_PURPOSE_WORDS = 3
WEAK_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}
SDK_DEPENDENCIES = {"anyio", "cryptography", "httpx", "joserfc"}
SDK_PACKAGES = [
    name for name in ("core", "client", "resource") if (PACKAGE / name / "__init__.py").exists()
]

# Joined here, so that this file does not name what it looks for.
REGISTRY_HOSTS = [
    ".".join(labels)
    for labels in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
        ("repo", "maven", "apache", "org"),
        ("deb", "debian", "org"),
    )
]
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|root)/[\w.]")


def committable_files() -> list[Path]:
    """List what git holds or would take: a clone has no more than that, a work tree has."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git work tree, or no git to ask")
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def lines_where(matches) -> list[str]:
    """Name each line, of any file that may be committed, that `matches`."""
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in committable_files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if matches(line)
    ]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def distribution_name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def pyproject() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


PINNED = r"^([\w.-]+)(?:\[[\w,-]+\])?=="


def locked_names(lock: str) -> set[str]:
    return set(re.findall(PINNED, (ROOT / lock).read_text(), re.MULTILINE))


def test_no_file_names_the_host_of_a_package_registry():
    found = lines_where(lambda line: any(host in line.lower() for host in REGISTRY_HOSTS))
    assert found == []


def test_no_file_names_a_path_of_the_machine_it_was_written_on():
    assert lines_where(MACHINE_PATH.search) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_its_purpose_in_the_first_line(path):
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    purpose = docstring.partition("\n")[0]
    assert len(purpose.split()) >= SHORTEST_PURPOSE_WORDS, f"{path}: {purpose!r}"


def test_no_function_is_longer_than_a_screen():
    too_long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in PYTHON_FILES
        for node in functions(path)
        if node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert too_long == []


def test_no_file_is_longer_than_a_reader_can_hold():
    lengths = {path: len(path.read_text().splitlines()) for path in PYTHON_FILES}
    too_long = [str(path.relative_to(ROOT)) for path in lengths if lengths[path] > LONGEST_FILE]
    assert too_long == []


def test_no_module_has_a_name_that_says_nothing():
    weak = [
        str(path.relative_to(ROOT))
        for path in MODULES
        if WEAK_NAMES & {*path.relative_to(PACKAGE).parent.parts, *path.stem.split("_")}
    ]
    assert weak == []


def test_the_bare_install_is_the_sdk():
    declared = {distribution_name(line) for line in pyproject()["project"]["dependencies"]}
    assert declared == SDK_DEPENDENCIES


@pytest.mark.parametrize("package", SDK_PACKAGES)
def test_the_sdk_imports_without_the_dependencies_of_the_server(package):
    extras = pyproject()["project"]["optional-dependencies"]
    optional = {
        distribution_name(line).replace("-", "_") for line in [*extras["server"], *extras["demo"]]
    } - {"fleeting"}
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({sorted(optional)!r})); "
        f"import fleeting.{package}"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("requirements.lock", ["server", "demo"]),
        ("requirements-dev.lock", ["server", "demo", "dev"]),
    ],
)
def test_a_lock_holds_every_declared_dependency(lock, extras):
    project = pyproject()["project"]
    lines = [*project["dependencies"]]
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    lines += pyproject()["dependency-groups"]["build"]
    declared = {distribution_name(line) for line in lines} - {"fleeting"}
    assert declared - locked_names(lock) == set()


def test_the_lock_pins_what_is_required_with_extras_with_those_extras():
    """Else pip takes the newest ``name[extra]``, misses its hash, and installs nothing."""
    text = (ROOT / "requirements-dev.lock").read_text()
    for name in locked_names("requirements-dev.lock"):
        for line in requirements_of(name):
            required = Requirement(line)
            if required.extras and (required.marker is None or required.marker.evaluate()):
                pinned = re.search(rf"^{re.escape(required.name)}\[(.+)\]==", text, re.MULTILINE)
                assert pinned is not None, line
                assert required.extras <= set(pinned[1].split(","))


def requirements_of(name: str) -> list[str]:
    try:
        return distribution(name).requires or []
    except PackageNotFoundError:  # of another platform
        return []


def test_both_locks_agree_on_every_version():
    pins = [
        dict(re.findall(PINNED + r"(\S+)", (ROOT / lock).read_text(), re.MULTILINE))
        for lock in ("requirements.lock", "requirements-dev.lock")
    ]
    running, developing = pins
    assert running == {name: developing.get(name) for name in running}

"""The Dockerfile and its install script, which cannot be built where the tests run: what a reading of them can tell."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from ros_processes import REPOSITORY

DOCKERFILE = REPOSITORY / "Dockerfile"
INSTALL = REPOSITORY / "docker" / "install.sh"
CONSTRAINTS = REPOSITORY / "docker" / "constraints.txt"


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile in order: name, and the rest on one line."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    found = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(name.upper(), " ".join(rest[0].split()) if rest else "") for name, *rest in found]


STEPS = instructions(DOCKERFILE.read_text())


def stages(steps: list[tuple[str, str]]) -> dict[str, str]:
    """Name of each stage to what it starts from."""
    found = {}
    for name, rest in steps:
        if name == "FROM":
            image, _, stage = re.split(r"\s+(as)\s+", rest, flags=re.IGNORECASE)
            found[stage] = image
    return found


def user_of(stage: str, steps: list[tuple[str, str]]) -> str:
    """Who runs in a stage: its last USER, or that of the stage that it starts from."""
    user, current = "root", ""
    for name, rest in steps:
        if name == "FROM":
            current = rest.split()[-1]
            if current == stage:
                parent = stages(steps)[stage]
                user = user_of(parent, steps) if parent in stages(steps) else "root"
        elif name == "USER" and current == stage:
            user = rest
    return user


@pytest.mark.parametrize("stage", ["robot", "robot-gpu"])
def test_nobody_runs_as_root(stage: str) -> None:
    """Would catch an image in which a fault of ours may do anything to the robot's computer."""
    assert re.fullmatch(r"[1-9]\d{3,}", user_of(stage, STEPS))


def test_the_last_stage_is_the_one_for_every_robot() -> None:
    """Would catch a plain ``docker build`` that wants a GPU."""
    assert list(stages(STEPS))[-1] == "robot"


def test_the_base_cannot_change_behind_our_back() -> None:
    """Would catch a build of tomorrow that is another one than today's."""
    names = stages(STEPS)
    bases = {image for image in names.values() if image not in names}
    assert bases == {"${BASE}"}
    [base] = [rest for name, rest in STEPS if name == "ARG" and rest.startswith("BASE=")]
    assert re.fullmatch(r"BASE=ros:jazzy-ros-base@sha256:[0-9a-f]{64}", base)
    assert "latest" not in DOCKERFILE.read_text()


def test_nothing_is_fetched_past_the_package_managers() -> None:
    """Would catch a file that anybody may replace: ADD of an address, or a script that is piped into a shell."""
    assert not [rest for name, rest in STEPS if name == "ADD"]
    for text in (DOCKERFILE.read_text(), INSTALL.read_text()):
        assert not re.search(r"\b(curl|wget)\b|https?://|--trusted-host|--index-url|--allow-unauthenticated", text)


def ignored(path: str) -> bool:
    """Whether ``.dockerignore`` keeps a path out of the build: the last pattern that fits decides."""
    outcome = False
    parts = Path(path).parts
    for line in (REPOSITORY / ".dockerignore").read_text().splitlines():
        pattern = line.strip()
        if pattern and not pattern.startswith("#"):
            negated, pattern = pattern.startswith("!"), pattern.lstrip("!")
            above = ["/".join(parts[: n + 1]) for n in range(len(parts))]
            if any(fnmatch(one, pattern) for one in above):
                outcome = not negated
    return outcome


def test_what_is_copied_is_there() -> None:
    """Would catch a build that ends at a folder that was renamed, or that ``.dockerignore`` keeps back."""
    sources: list[str] = []
    for name, rest in STEPS:
        if name == "COPY" and "--from=" not in rest:
            sources += [word for word in shlex.split(rest)[:-1] if not word.startswith("--")]
    assert {"pyproject.toml", "il_nodes", "models", "sim", "understudy", "launch", "contracts", "security"} <= set(
        sources
    )
    for source in sources:
        assert (REPOSITORY / source).exists(), source
        assert not ignored(source), source
    for private in (".git", ".venv", "runs", "tests", "il_nodes/__pycache__", "ros2_ws/install"):
        assert ignored(private), private
    stage_names = set(stages(STEPS))
    copied_from = {word for _, rest in STEPS for word in re.findall(r"--from=(\S+)", rest)}
    assert copied_from <= stage_names


def test_every_link_of_the_ros_package_leads_into_the_image() -> None:
    """Would catch a folder that the package gained and the image did not."""
    copied = {word for name, rest in STEPS if name == "COPY" for word in shlex.split(rest)}
    links = [path for path in (REPOSITORY / "ros2_ws" / "src" / "il_nodes").iterdir() if path.is_symlink()]
    assert len(links) >= 7
    for link in links:
        assert link.exists(), link
        assert link.resolve().name in copied


def test_package_lists_do_not_stay_behind() -> None:
    """Would catch 50 MB of lists in a layer that nobody reads again; all apt-get is in the script."""
    assert "apt-get" not in DOCKERFILE.read_text()
    script = INSTALL.read_text()
    body = script[script.index("install_apt() {") : script.index("\n}", script.index("install_apt() {"))]
    assert body.index("apt-get update") < body.index("apt-get install") < body.index("rm -rf /var/lib/apt/lists/*")
    assert "--no-install-recommends" in body
    assert script.count("apt-get install") == 1


@pytest.mark.parametrize("name", ["install.sh", "entrypoint.sh"])
def test_scripts_can_be_run(name: str) -> None:
    path = REPOSITORY / "docker" / name
    assert os.access(path, os.X_OK)
    assert subprocess.run(["bash", "-n", str(path)], capture_output=True).returncode == 0
    assert re.search(r"^set -e", path.read_text(), re.MULTILINE)


def test_the_script_without_a_step_says_what_it_can() -> None:
    outcome = subprocess.run([str(INSTALL)], capture_output=True, text=True)
    assert outcome.returncode == 2
    for step in ("apt", "pip VENV", "gpu VENV", "workspace VENV FOLDER"):
        assert step in outcome.stderr
    for name, rest in STEPS:
        if name == "RUN" and "install.sh" in rest:
            assert rest.split("install.sh ")[1].split()[0] in ("apt", "pip", "gpu", "workspace")


def test_the_entry_point_is_ros_then_ours_then_what_was_asked_for(tmp_path: Path) -> None:
    """Would catch a container in which ``ros2 run il_nodes gate`` finds no such package."""
    text = (REPOSITORY / "docker" / "entrypoint.sh").read_text()
    order = [
        text.index(part) for part in ("/opt/ros/${ROS_DISTRO}/setup.bash", "/opt/understudy/setup.bash", 'exec "$@"')
    ]
    assert order == sorted(order)
    steps = dict(STEPS)
    assert steps["ENTRYPOINT"] == '["understudy-entrypoint"]'
    assert any(name == "COPY" and rest.endswith("/usr/local/bin/understudy-entrypoint") for name, rest in STEPS)
    assert any(name == "RUN" and rest.endswith("workspace /opt/venv /opt/understudy") for name, rest in STEPS)


def requirement_name(requirement: str) -> str:
    return re.split(r"[\s<>=!~;\[]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def test_everything_that_a_robot_installs_is_pinned() -> None:
    """Would catch a dependency whose newest version a robot meets before anybody else does."""
    lines = [line for line in CONSTRAINTS.read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line) for line in lines)
    pinned = {requirement_name(line): line.split("==")[1] for line in lines}
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = {requirement_name(requirement) for requirement in project["dependencies"]}
    assert wanted <= set(pinned)
    assert pinned["numpy"].startswith("1.26.")
    # The GPU build of ONNX Runtime has wheels for x86_64 alone; elsewhere the plain one stands in, in the same version.
    assert pinned["onnxruntime"] == pinned["onnxruntime-gpu"]
    for name in ("onnxruntime-gpu", "onnxruntime"):
        [requirement] = [one for one in project["dependencies"] if requirement_name(one) == name]
        assert "platform_machine" in requirement


def test_continuous_integration_runs_the_scripts_own_step() -> None:
    """Would catch an image that is put together in another way than what was tested."""
    makefile = (REPOSITORY / "Makefile").read_text()
    assert re.search(r"^\.venv-numpy1/\.installed: .*docker/install\.sh", makefile, re.MULTILINE)
    assert "docker/install.sh pip .venv-numpy1" in makefile
    ci = (REPOSITORY / ".ci" / "run").read_text()
    assert "make test-numpy1" in ci
    assert "make lint-docker" in ci


def test_the_script_installs_what_the_project_says(tmp_path: Path) -> None:
    """Would catch a script whose list of dependencies is another one than the project's; pip itself stays at home."""
    log = tmp_path / "asked.txt"
    venv = tmp_path / "venv" / "bin"
    venv.mkdir(parents=True)
    # An environment whose pip writes down what it is asked for; everything else is this very Python.
    python = f"""#!/bin/sh
if [ "$1 $2" = "-m pip" ]; then
  for word in "$@"; do
    echo "$word" >>{log}
    if [ "$before" = --requirement ]; then cat "$word" >>{log}; fi
    before="$word"
  done
else
  exec {sys.executable} "$@"
fi
"""
    (venv / "python").write_text(python)
    (venv / "python").chmod(0o755)
    outcome = subprocess.run([str(INSTALL), "pip", str(venv.parent), "sim"], capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr
    asked = log.read_text().splitlines()
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert set(project["dependencies"]) | set(project["optional-dependencies"]["sim"]) <= set(asked)
    assert not set(project["optional-dependencies"]["train"]) & set(asked)
    assert asked[asked.index("--constraint") + 1] == str(CONSTRAINTS)

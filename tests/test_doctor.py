"""The doctor in front of broken machines: each test breaks one thing, and looks for the row that names it."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from il_nodes.ros.middleware import PROFILE
from understudy.doctor import examination as doctor
from understudy.doctor import machine as doctor_machine
from understudy.doctor import packages as doctor_packages
from understudy.doctor import ros as doctor_ros
from understudy.doctor.diagnosis import OK, PROBLEM, WARNING, Patient, Row


def row(rows: Iterable[Row], check: str) -> Row:
    found = [row for row in rows if row.check == check]
    assert len(found) == 1, f"{check}: {rows}"
    return found[0]


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    """A machine whose every part is in order, apart from what a test breaks."""
    shared_memory = tmp_path / "shm"
    shared_memory.mkdir()
    environment = {"PATH": os.environ["PATH"], "FASTRTPS_DEFAULT_PROFILES_FILE": str(PROFILE)}
    return Patient(environment, shared_memory, tmp_path / "runs")


def with_environment(patient: Patient, **variables: str) -> Patient:
    return replace(patient, environment={**patient.environment, **variables})


def test_a_machine_in_order_has_no_complaint(patient: Patient) -> None:
    """Catches a doctor that cries wolf: every row of this test's machine must be ok."""
    rows = [*doctor_machine.check_disk(patient), *doctor_machine.check_shared_memory(patient)]
    rows += [*doctor_ros.check_profile(patient), *doctor_ros.check_variables(patient)]
    assert {(row.check, row.level) for row in rows if row.level != OK} == set()


def test_the_profile_under_the_name_that_is_ignored_is_a_problem(patient: Patient) -> None:
    """FASTDDS_DEFAULT_PROFILES_FILE does nothing in Jazzy, and camera images vanish without a message."""
    environment = {"FASTDDS_DEFAULT_PROFILES_FILE": str(PROFILE)}
    found = row(doctor_ros.check_profile(replace(patient, environment=environment)), "profile variable")
    assert found.level == PROBLEM
    assert "FASTRTPS_DEFAULT_PROFILES_FILE" in found.mend


@pytest.mark.parametrize(
    ("content", "level", "says"),
    [
        (None, PROBLEM, "No such file"),
        (PROFILE.read_text()[:300], PROBLEM, "no XML"),
        (PROFILE.read_text().replace("33554432", "524288"), WARNING, "segment_size is 524288"),
        (PROFILE.read_text().replace(">SHM<", ">UDPv6<"), WARNING, "no shared-memory transport"),
    ],
    ids=["missing", "truncated", "small segment", "no shared memory"],
)
def test_a_profile_that_loses_images_is_named(
    patient: Patient, tmp_path: Path, content: str | None, level: str, says: str
) -> None:
    path = tmp_path / "profile.xml"
    if content is not None:
        path.write_text(content)
    broken = with_environment(patient, FASTRTPS_DEFAULT_PROFILES_FILE=str(path))
    found = row(doctor_ros.check_profile(broken), "profile file")
    assert found.level == level
    assert says in found.found
    assert found.mend


@pytest.mark.parametrize(
    ("variables", "check", "level"),
    [
        ({"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}, "RMW_IMPLEMENTATION", WARNING),
        ({"ROS_DISTRO": "humble"}, "ROS_DISTRO", PROBLEM),
        ({"LD_PRELOAD": "libwrong.so"}, "preloaded libraries", WARNING),
    ],
)
def test_variables_that_lead_elsewhere_are_named(
    patient: Patient, variables: dict[str, str], check: str, level: str
) -> None:
    found = row(doctor_ros.check_variables(with_environment(patient, **variables)), check)
    assert found.level == level
    assert found.mend


@pytest.mark.parametrize("domain", ["minus one", "-1", "233"])
def test_a_domain_that_is_none_is_a_problem(patient: Patient, domain: str) -> None:
    found = row(doctor_ros.check_domain(with_environment(patient, ROS_DOMAIN_ID=domain)), "ROS domain")
    assert found.level == PROBLEM


@pytest.fixture
def leftover(patient: Patient) -> Path:
    path = patient.shared_memory / "fastrtps_00c0ffee00c0ffee"
    path.write_bytes(b"\0" * 8192)
    path.with_name(path.name + "_el").touch()
    (patient.shared_memory / "somebody_elses").touch()
    return path


def test_leftover_segments_are_reported_and_only_fix_removes_them(patient: Patient, leftover: Path) -> None:
    found = row(doctor_machine.check_shared_memory(patient), "leftover segments")
    assert (found.level, found.found[:7]) == (WARNING, "2 files")
    assert "--fix" in found.mend
    assert leftover.exists()

    found = row(doctor_machine.check_shared_memory(replace(patient, fix=True)), "leftover segments")
    assert (found.level, found.found[:15]) == (OK, "removed 2 files")
    assert [path.name for path in patient.shared_memory.iterdir()] == ["somebody_elses"]


def test_no_shared_memory_is_a_problem(patient: Patient) -> None:
    broken = replace(patient, shared_memory=patient.shared_memory / "missing")
    found = row(doctor_machine.check_shared_memory(broken), "shared memory")
    assert found.level == PROBLEM
    assert "tmpfs" in found.mend


def test_a_workspace_that_is_not_a_folder_cannot_be_written(patient: Patient, tmp_path: Path) -> None:
    """A file stands where the folder shall be: true for root too, whom no permission stops."""
    (tmp_path / "file").touch()
    rows = doctor_machine.check_disk(replace(patient, workspace=tmp_path / "file"))
    assert row(rows, "write permission").level == PROBLEM


def test_a_broken_contract_is_a_problem_and_says_where(patient: Patient, tmp_path: Path) -> None:
    path = tmp_path / "contract.yaml"
    path.write_text("robot_type: car\nfps: minus twenty\n")
    found = row(doctor_machine.check_contract(replace(patient, contract=path)), "contract")
    assert found.level == PROBLEM
    assert "fps" in found.found
    missing = replace(patient, contract=tmp_path / "missing.yaml")
    assert row(doctor_machine.check_contract(missing), "contract").level == PROBLEM


def test_a_probe_that_crashes_or_hangs_is_a_finding_not_a_crash() -> None:
    """Catches a doctor that dies of what it diagnoses: an import that aborts the process, or never returns."""
    crash = "import os; print('{\"a\": 1}', flush=True); os.abort()"
    assert doctor_packages.run_probe(crash, (), os.environ, 30) == ({"a": 1}, "exit code -6")
    assert doctor_packages.run_probe("import signal; signal.pause()", (), os.environ, 0.2)[0] == {}
    assert doctor_packages.run_probe("raise ImportError('no libGL')", (), os.environ, 30)[1] == "ImportError: no libGL"


def test_a_package_that_cannot_be_imported_does_not_hide_the_others(patient: Patient, tmp_path: Path) -> None:
    """Two broken packages: one raises, one takes the whole process with it; every other row must still be there."""
    (tmp_path / "mcap.py").write_text("raise ImportError('libmissing.so: cannot open shared object file')")
    (tmp_path / "gymnasium.py").write_text("import os; os._exit(9)")
    rows = doctor_packages.check_packages(with_environment(patient, PYTHONPATH=str(tmp_path)))
    assert row(rows, "mcap (robot)").level == PROBLEM
    assert "libmissing.so" in row(rows, "mcap (robot)").found
    assert row(rows, "gymnasium (simulation)").level == WARNING
    assert "understudy[sim]" in row(rows, "gymnasium (simulation)").mend
    assert row(rows, "numpy (robot)").level == OK


def test_the_cpu_provider_really_computes(patient: Patient) -> None:
    assert row(doctor_packages.check_provider(patient), "inference provider: CPU").level == OK


@pytest.mark.ros
def test_the_round_trip_is_real(patient: Patient) -> None:
    """Two processes, real images, the settings that nodes get; a broken rclpy in its place must be seen."""
    found = row(doctor_ros.check_round_trip(patient), "DDS round trip")
    assert found.level in (OK, WARNING), found
    assert "40 images, rmw_fastrtps_cpp" in found.found


def test_a_broken_rclpy_fails_the_round_trip(patient: Patient, tmp_path: Path) -> None:
    (tmp_path / "rclpy.py").write_text("raise ImportError('librcl.so: undefined symbol')")
    broken = with_environment(patient, PYTHONPATH=str(tmp_path))
    found = row(doctor_ros.check_round_trip(broken), "DDS round trip")
    assert found.level == PROBLEM
    assert "librcl.so" in found.found


def test_a_check_that_fails_itself_is_one_row(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches one unforeseen error (here: a /proc that cannot be read) costing the person all other findings."""

    def check_something(_patient: Patient) -> list[Row]:
        raise PermissionError("/proc")

    checks = (check_something, doctor_machine.check_python)
    monkeypatch.setattr(doctor, "CHECKS", {"machine": checks})
    diagnosis = doctor.examine(patient, ["machine"])
    assert [(row.check, row.level) for row in diagnosis.rows] == [("something", PROBLEM), ("Python", OK)]
    assert not diagnosis.healthy

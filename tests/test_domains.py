"""ROS domains of one's own: two runs never meet, whoever left a lock file behind."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.errors import DeploymentError
from understudy.environment import domains


def test_two_runs_never_share_a_domain() -> None:
    with domains.reserve_domain() as first, domains.reserve_domain() as second:
        assert first != second
        assert {first, second} <= set(range(1, domains.LAST_DOMAIN + 1))
        with pytest.raises(DeploymentError, match=f"ROS domain {first} is held"), domains.reserve_domain(first):
            pass
    with domains.reserve_domain(first) as again:
        assert again == first


def test_a_link_in_the_temporary_folder_costs_nobody_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody may write there: whoever puts a link in the lock's place must not choose which file is emptied."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (tmp_path / "understudy-domain-77.lock").symlink_to(precious)
    with pytest.raises(DeploymentError, match="is held"), domains.reserve_domain(77):
        pass
    assert precious.read_text() == "kept"


@pytest.fixture
def locks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of lock files that everybody may look into, and nobody but its owner may write into."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)
        os.seteuid(os.getuid())


def test_a_lock_file_that_another_user_left_blocks_nobody(locks: Path) -> None:
    """Catches a robot that nobody but root may drive, because root drove it once."""
    left = locks / "understudy-domain-77.lock"
    left.write_text("4194305\n")
    left.chmod(0o444)
    if os.getuid() == 0:  # root may write everywhere; nobody may not
        os.seteuid(65534)
    with pytest.raises(PermissionError), left.open("r+"):
        pass
    with domains.reserve_domain(77), pytest.raises(DeploymentError, match="is held"), domains.reserve_domain(77):
        pass
    assert left.read_text() == "4194305\n"


@pytest.mark.parametrize("domain", [-1, 102, 5000])
def test_a_domain_that_does_not_exist_is_refused(domain: int) -> None:
    with pytest.raises(DeploymentError, match="does not exist"), domains.reserve_domain(domain):
        pass


def test_a_domain_whose_ports_somebody_has_open_is_counted_as_used(tmp_path: Path) -> None:
    """The ports of domain 3 are 8150 to 8399; the table is the kernel's format. Catches an off-by-one at both ends."""
    table = tmp_path / "udp"
    rows = [f"   {i}: 00000000:{port:04X} 00000000:0000 07" for i, port in enumerate((8149, 8150, 8399, 8400))]
    table.write_text("  sl  local_address rem_address   st\n" + "\n".join(rows) + "\n")
    counts = [domains.domain_ports_in_use(domain, (str(table),)) for domain in (2, 3, 4)]
    assert counts == [1, 2, 1]

"""`seikan migrate` as it is typed: files, exit statuses, and the example of the documentation."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
from tests.config.migrating import BASE, SITE, entry

from seikan.__main__ import main
from seikan.config.parse import parse

KEY = "8hv3xW2qT9"
DOCUMENT = Path(__file__).parents[2] / "docs" / "migrate.md"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "r1.cfg"
    path.write_text(BASE + entry(10, SITE))
    return path


def test_the_configuration_goes_to_standard_output_and_the_report_to_standard_error(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", str(site)]) == 0
    out, err = capsys.readouterr()
    assert "Tunnel0" in parse(out).config.interfaces
    assert KEY in out
    assert "crypto map VPN 10 becomes Tunnel0" in err
    assert KEY not in err


def test_files_are_for_their_owner_only(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [tmp_path / name for name in ("new.cfg", "peer.txt", "report.txt")]
    assert main(["migrate", str(site), *_into(*names)]) == 0
    assert [stat.S_IMODE(name.stat().st_mode) for name in names] == [0o600] * 3
    assert capsys.readouterr() == ("", "")
    assert "Tunnel0" in names[0].read_text()
    peer = parse(names[1].read_text())
    assert not peer.problems
    assert "Tunnel1000" in peer.config.interfaces
    assert KEY not in names[1].read_text() + names[2].read_text()


def _into(output: Path, peer: Path, report: Path) -> list[str]:
    return ["--output", str(output), "--peer-output", str(peer), "--report", str(report)]


@pytest.mark.parametrize("taken", ["--output", "--peer-output", "--report"])
def test_nothing_is_written_over_without_being_asked(
    site: Path, tmp_path: Path, taken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {name: tmp_path / f"{name}.txt" for name in ("--output", "--peer-output", "--report")}
    names[taken].write_text("mine")
    arguments = [word for name, path in names.items() for word in (name, str(path))]
    assert main(["migrate", str(site), *arguments]) == 1
    assert [path.exists() for path in names.values()].count(True) == 1
    assert names[taken].read_text() == "mine"
    assert f"{names[taken]} exists" in capsys.readouterr().err
    assert main(["migrate", str(site), *arguments, "--force"]) == 0
    assert names[taken].read_text() != "mine"


def test_the_same_file_twice_is_refused(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = str(tmp_path / "x")
    assert main(["migrate", str(site), "--output", name, "--report", name]) == 1
    assert "different files" in capsys.readouterr().err


def test_what_cannot_go_is_told_by_the_exit_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "r1.cfg"
    path.write_text(BASE + entry(10, SITE) + entry(20, "permit ip any 10.3.0.0 0.0.1.0", peer="198.51.100.3"))
    assert main(["migrate", str(path)]) == 2
    assert "not contiguous" in capsys.readouterr().err
    assert main(["migrate", str(path), "--entry", "20"]) == 1
    assert capsys.readouterr().out == ""


def test_migrating_again_does_nothing(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = tmp_path / "new.cfg"
    assert main(["migrate", str(site), "--output", str(new)]) == 0
    text = new.read_text()
    assert main(["migrate", str(new), "--output", str(tmp_path / "again.cfg")]) == 1
    assert "nothing to do" in capsys.readouterr().err
    assert not (tmp_path / "again.cfg").exists()
    assert new.read_text() == text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--map", "OTHER"], "crypto map OTHER does not exist (there is VPN)"),
        (["--entry", "77"], "no crypto map has an entry 77 (there is 10)"),
        (["--output", "/nowhere/at/all"], "/nowhere/at is no directory"),
    ],
)
def test_what_is_asked_for_must_be_there(
    site: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", str(site), *arguments]) == 1
    out, err = capsys.readouterr()
    assert (out, says in err) == ("", True)
    assert len(err.splitlines()) == 1


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", str(tmp_path / "none.cfg")]) == 1
    assert capsys.readouterr().err == f"seikan: {tmp_path}/none.cfg: no such file\n"


def test_lines_that_are_not_understood_are_told_without_their_keys(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.write_text(site.read_text() + f"crypto isakmp key {KEY} adress 198.51.100.9\n")
    assert main(["migrate", str(site)]) == 0
    err = capsys.readouterr().err
    assert "r1.cfg:" in err
    assert KEY not in err


def test_the_example_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every block of the document that names a file is what the document's command writes."""
    text = DOCUMENT.read_text()
    blocks = re.findall(r"<!-- (\S+) -->\n```\n(.*?)\n```", text, re.S)
    (command,) = re.findall(r"^\$ seikan (migrate .*)$", text, re.M)
    monkeypatch.chdir(tmp_path)
    Path("site-a.cfg").write_text(dict(blocks)["site-a.cfg"])
    assert main(command.split()) == 0
    assert len(blocks) >= 5
    for name, block in blocks:
        assert block in Path(name).read_text(), name
    whole = dict(blocks)
    assert whole["site-b-lines.txt"] == Path("site-b-lines.txt").read_text().rstrip("\n")
    typed = re.findall(r"`(no tunnel protection [^`]*)`", text)
    for line in typed:
        assert line in Path("site-a-report.txt").read_text()

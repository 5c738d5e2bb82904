"""Every command of the guide's chapter about files, run on a small file of the kind it names."""

import gzip
import json
import re
import shutil
from pathlib import Path

import pyarrow
import pytest
from click.testing import CliRunner
from pyarrow import parquet

from bandstand import data
from bandstand.cli import bandstand
from bandstand.formats.registry import FORMATS

GUIDE = (Path(__file__).parents[2] / "docs/offline.md").read_text("utf-8")
CHAPTER = GUIDE.partition("## Files of other systems")[2].partition("\n## ")[0]
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", CHAPTER, re.DOTALL) for line in block.splitlines()]

LINE = {
    "_label_cost": -1,
    "_label_probability": 0.5,
    "_label_Action": 1,
    "_labelIndex": 0,
    "EventId": "e",
    "Timestamp": "2021-02-04T16:31:29Z",
    "a": [1, 2],
    "p": [0.5, 0.5],
    "c": {"U": {"age": 3}, "_multi": [{"_tag": "a"}, {"_tag": "b"}]},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all that the commands read."""
    shutil.copy(data.path("catalog/products.jsonl.gz"), tmp_path)
    (tmp_path / "2021-02-04_0.json").write_text(json.dumps(LINE))
    (tmp_path / "2021-02-05_0.json.gz").write_bytes(gzip.compress(json.dumps(LINE | {"EventId": "f"}).encode()))
    (tmp_path / "decisions.csv").write_text("shown,p,sold\na,0.5,1\n")
    (tmp_path / "clicks.csv.gz").write_bytes(gzip.compress(b"visitor,sku,ts\nu,a,100\n"))
    table = pyarrow.table({"user": ["u"], "item": ["a"], "time": [100.0]})
    parquet.write_table(table, tmp_path / "events.parquet")
    for name in ("dataset", "random/men", "ml-100k", "ml-100k-atomic"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "dataset/interactions.csv").write_text("USER_ID,ITEM_ID,TIMESTAMP\nu,a,100\n")
    shutil.copy(data.path("obd/random/men/item_context.csv"), tmp_path / "random/men")
    rows = gzip.decompress(data.path("obd/random/men/men.csv.gz").read_bytes()).splitlines()
    (tmp_path / "random/men/men.csv").write_bytes(b"\n".join(rows[:50]))
    (tmp_path / "ml-100k/u.data").write_text("1\t7\t5\t300")
    (tmp_path / "ml-100k/u.item").write_text(f"7|Toy Story (1995)|01-Jan-1996||x|{'|'.join('0' * 19)}")
    (tmp_path / "ml-100k-atomic/ml.inter").write_text("user_id:token\titem_id:token\nu\ta\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_guide_names_every_format() -> None:
    assert {command.split()[2] for command in COMMANDS if " import " in command} == set(FORMATS)
    assert {command.split()[2] for command in COMMANDS if " export " in command} == {
        name for name, one in FORMATS.items() if one.writes
    }


def test_every_command_of_the_guide_runs(folder: Path) -> None:
    for command in COMMANDS:
        done = CliRunner().invoke(bandstand, command.split()[1:])
        assert done.exit_code == 0, f"{command}: {done.output}"
        assert re.match(r"(reading|writing|[1-9][\d,]* (facts|entries))", done.output.strip()), done.output


def test_reasons_that_are_not_printed_are_counted(folder: Path) -> None:
    (folder / "bad.csv").write_text("item,propensity\n" + "a,2\n" * 13)
    ran = CliRunner().invoke(bandstand, ["import", "csv", "bad.csv"], catch_exceptions=False)
    assert ran.exit_code == 1
    assert "13 lines left out:" in ran.output
    assert ran.output.count("propensity is 2.0, must be above 0 and at most 1") == 10
    assert "… and 3 more; --json lists the first 100" in ran.output

"""Ids and paths reach a command as they were typed, whatever Hydra's grammar would make of them."""

from pathlib import Path

import pytest
from builders.configs import train_config

from galvae.cli.quoting import sweep_of_texts
from galvae.config.check import write_config
from galvae.config.fields import LATEST
from galvae.config.registry import COMMANDS
from galvae.runs.find import SWEEP_FILE, mark_latest

IDS = ["1_1_1", "587e12", "10.10", "0012", "true", "NGC 7", "[a]", "a$b={c}"]
NAMES = [
    *("healpix=1234/001.hdf5", "part-[0-9].h5", "train-*.parquet", "it's a b.h5", 'q"uo"te.h5', "'a'b.h5"),
    *("$a{b}.h5", "[old]", "a(1):50%#.h5", "12", "back\\slash", "+x"),
]
COMMA = "a,b.h5"


@pytest.fixture
def received(monkeypatch):
    """Has commands do nothing but note their configurations, which it lists."""
    configs = []

    def note(config, output_dir):
        configs.append(config)
        (output_dir / "done").touch()  # an empty directory would be removed

    for name in COMMANDS:
        monkeypatch.setattr(f"galvae.commands.{name}.main", note)
    return configs


@pytest.fixture
def run(tmp_path):
    """The directory of a run that a command can be called with."""
    (tmp_path / "run").mkdir()
    write_config(train_config(), tmp_path / "run" / "config.yaml")
    return tmp_path / "run"


def call(galvae, *words):
    status, _, err = galvae(*words)
    assert status == 0, err


@pytest.mark.parametrize("texts", [("1_1_1", "587e12", "0012"), ("10.10", "a,b", "it's")])
def test_an_id_is_what_was_typed(texts, galvae, received, run):
    call(galvae, "traverse", f"run={run}", *map("=".join, zip(("at", "from", "to"), texts, strict=True)))
    (config,) = received
    assert (config.at, config.from_, config.to) == texts


def test_no_id_is_null(galvae, received, run):
    call(galvae, "traverse", f"run={run}", "at=null")
    assert received[0].at is None


def test_ids_of_a_sweep_are_separated_by_commas(galvae, received, run):
    call(galvae, "traverse", "-m", f"run={run}", f"at={','.join(IDS)},'a,b',null", "from=007", "to=8e3")
    assert [config.at for config in received] == [*IDS, "a,b", None]
    assert {(config.from_, config.to) for config in received} == {("007", "8e3")}


def test_an_expression_is_what_was_typed(galvae, received, run):
    texts = ["umap_x>0 & r50<4", "class == 'Merging' | ~(1 < z <= 2)", "`mag (AB)` != 20", "'a'==x & y=='b'"]
    for text in texts:
        call(galvae, "umap", f"run={run}", f"select={text}")
    call(galvae, "umap", "-m", f"run={run}", f"select={','.join(texts)},null")
    assert [config.select for config in received] == [*texts, *texts, None]


def test_init_latest_is_the_newest_run_when_the_call_is_made(galvae, received, run, tmp_path):
    status, _, err = galvae("train", "init=latest")
    assert status == 2 and err.startswith("galvae: init=latest: expected a finished run")
    mark_latest(LATEST, run)
    call(galvae, "train", "init=latest")
    call(galvae, "train", "init=other", "hydra.run.dir=new")
    assert [config.init for config in received] == [str(run), str(tmp_path / "other")]


def test_a_sweep_by_a_function_of_hydra_stays_one(galvae, received, run):
    call(galvae, "traverse", "-m", f"run={run}", "at=choice(1,2)")
    call(galvae, "traverse", "-m", f"run={run}", "at=range(1,3)")
    assert [config.at for config in received] == [1, 2, 1, 2]


@pytest.mark.parametrize("first", range(0, len(NAMES), 4))
def test_a_path_is_what_was_typed(first, galvae, received, tmp_path):
    names = NAMES[first : first + 4]
    keys = ("dataset.path", "dataset.table", "dataset.cache_dir", "hydra.run.dir")
    call(galvae, "prepare", "dataset=files", *map("=".join, zip(keys, names, strict=True)))
    section = received[0].dataset
    assert [section.path, section.table, section.cache_dir] == [str(tmp_path / name) for name in names[:3]]
    assert (tmp_path / names[3] / "done").is_file()


def test_paths_of_a_sweep_are_separated_by_commas(galvae, received, tmp_path):
    words = [f"dataset.path={','.join(NAMES)}", "hydra.sweep.dir=all [x], =1"]
    call(galvae, "prepare", "-m", "dataset=files", *words)
    assert [config.dataset.path for config in received] == [str(tmp_path / name) for name in NAMES]
    assert (tmp_path / "all [x], =1" / "0_files").is_dir()
    received.clear()
    call(galvae, "prepare", "-m", "dataset=files", f"dataset.path='{COMMA}',c", "dataset.table=x[1].csv,null")
    assert [(config.dataset.path, config.dataset.table) for config in received] == [
        (str(tmp_path / path), table and str(tmp_path / table))
        for path in (COMMA, "c")
        for table in ("x[1].csv", None)
    ]


def test_a_comma_outside_of_a_sweep_is_part_of_the_name(galvae, received, tmp_path):
    call(galvae, "prepare", "dataset=files", f"dataset.path={COMMA}")
    assert received[0].dataset.path == str(tmp_path / COMMA)


def test_an_interpolation_of_nothing_is_one_line(galvae, received):
    for name in ("${x}", "a${b"):
        status, _, err = galvae("prepare", "dataset=files", f"dataset.path={name}")
        assert (status, len(err.splitlines())) == (2, 1), err


@pytest.mark.parametrize("key", ["run", "runs", "resume"])
@pytest.mark.parametrize(
    "name", ["r=[0-9]*", *(pytest.param(name, marks=pytest.mark.slow) for name in ("a,b", "it's {$r}"))]
)
def test_a_runs_directory_is_what_was_typed(key, name, galvae, received, run, tmp_path):
    run.rename(tmp_path / name)
    command = {"run": "sample", "runs": "compare", "resume": "train"}[key]
    call(galvae, command, f"{key}={name}")
    assert getattr(received[0], key) == str(tmp_path / name)
    if key != "resume":
        assert (tmp_path / name / command).is_dir()
        swept = f"'{name}'" if "," in name else name
        call(galvae, command, "-m", f"{key}={swept}", "n=3,4")
        assert [getattr(config, key) for config in received[1:]] == [str(tmp_path / name)] * 2
        assert (tmp_path / name / f"{command}-2" / "1").is_dir()


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("{id}_{band}.fits", "{id}_{band}.fits"),
        ("[0-9]_{id}-{band}.fits", "[0-9]_{id}-{band}.fits"),
        ("[file_g,file_r]", ["file_g", "file_r"]),
        ("null", None),
    ],
)
def test_files_of_bands_are_a_pattern_or_a_list_of_columns(word, expected, galvae, received):
    call(galvae, "prepare", "dataset=files", "dataset.path=x", f"dataset.band_files={word}")
    assert received[0].dataset.band_files == expected


def test_ids_are_a_column_or_a_file(galvae, received, tmp_path):
    call(
        galvae, "prepare", "-m", "dataset=files", "dataset.path=x", "dataset.ids=objid,12,a=b/ids[1].npy,null"
    )
    assert [config.dataset.ids for config in received] == ["objid", "12", f"{tmp_path}/a=b/ids[1].npy", None]


def test_help_takes_the_same_words(galvae):
    status, out, err = galvae("prepare", "dataset=files", "dataset.path=healpix=1/*.h5", "--help")
    assert status == 0, err
    assert "dataset.path=healpix=1/*.h5" in out


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a,b", "'a','b'"),
        ("a, b", "'a','b'"),
        ("'a,b',c", "'a,b','c'"),
        ("null,a", "null,'a'"),
        ("'it's,b", r"'\'it\'s','b'"),
        ("choice(a,b)", "choice(a,b)"),
        ("", ""),
    ],
)
def test_values_of_a_sweep(value, expected):
    assert sweep_of_texts(value) == expected


def link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def test_latest_is_a_run_or_a_sweep_by_the_key(galvae, received, run, tmp_path):
    sweep = tmp_path / "sweep"
    sweep.mkdir()
    write_config(train_config(), run / "config.yaml")
    (sweep / "0").mkdir()
    write_config(train_config(), sweep / "0" / "config.yaml")
    status, _, err = galvae("compare", "runs=latest")
    assert status == 2
    assert "runs=latest: expected a sweep, as galvae train -m makes it, received none in" in err
    assert "outputs/train" not in err
    link(Path("outputs/train/latest"), run)
    status, _, err = galvae("compare", "runs=latest")
    assert (status, "; runs=outputs/train/latest is the newest run" in err) == (2, True)
    call(galvae, "compare", "runs=outputs/train/latest")
    assert received.pop().runs == str(run)
    link(Path("outputs/multirun/latest"), sweep)
    call(galvae, "compare", "runs=latest")
    assert received.pop().runs == str(sweep)
    call(galvae, "sample", "run=latest")
    assert received.pop().run == str(run)
    status, _, err = galvae("compare", f"runs=[latest,{run}]")
    assert (status, len(err.splitlines())) == (2, 1)
    assert "expected paths in a list, received latest" in err
    Path("outputs/train/latest").unlink()
    for command, key in (("sample", "run"), ("train", "resume")):
        status, _, err = galvae(command, f"{key}=latest")
        assert status == 2
        assert f"{key}=latest: expected a finished run, received none in {tmp_path}/outputs/train" in err
        assert f"the jobs of the newest sweep are in {sweep}" in err


def test_resume_takes_no_job_of_a_sweep_by_accident(galvae, received, run, tmp_path):
    link(Path("outputs/train/latest"), run)
    call(galvae, "train", "resume=latest")
    (tmp_path / SWEEP_FILE).touch()  # as where 0.1 let the link point to a job
    status, _, err = galvae("train", "resume=latest")
    assert status == 2
    assert err == (
        "galvae: resume=latest: expected a run of its own, received a job of a sweep; expected its path, as "
        f"resume={run}\n"
    )
    call(galvae, "train", f"resume={run}")
    assert [config.resume for config in received] == [str(run)] * 2

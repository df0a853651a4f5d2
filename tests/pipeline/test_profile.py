"""Profiles, overrides and misspelt names."""

import pytest

from mammolab import cli
from mammolab.errors import InputError
from mammolab.pipeline import profile


def error_of(capsys, monkeypatch, *arguments: str) -> str:
    """Run the command line, which is to refuse, and return its sentence."""
    monkeypatch.setattr("sys.argv", ["mammolab", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    sentence = capsys.readouterr().err
    assert sentence.count("\n") == 1 and "Traceback" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("arguments", "closest_first"),
    [
        (["run", "03_thrid"], "03_third, 01_first, 02_second, 20_manuscript"),
        (["run", "secnd"], "02_second, 01_first, 03_third, 20_manuscript"),
        (["run", "--profile", "dem"], "demo"),
        (["run", "-p", "scond.share=1"], "02_second, 01_first, 03_third, 20_manuscript"),
        (["run", "-p", "second.mistaek=x"], "mistake, share, careful"),
    ],
)
def test_misspelt_name_lists_valid_ones(toy, capsys, monkeypatch, arguments, closest_first):
    sentence = error_of(capsys, monkeypatch, *arguments)
    assert sentence.endswith(f"valid names, closest first: {closest_first}\n")
    assert not toy.build.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-p", "second.share=half"], "must be a float"),
        (["-p", "second.careful=2"], "must be true or false"),
        (["-p", "first.n=2.5"], "must be an int"),
        (["-p", "share=1"], "chapter.parameter=value"),
        (["-p", "second.seed=1"], "use the profile"),
        (["--run", "../elsewhere"], "plain folder name"),
    ],
)
def test_unfit_argument(toy, capsys, monkeypatch, arguments, words):
    assert words in error_of(capsys, monkeypatch, "run", *arguments)


def test_override_is_typed_against_the_notebook(toy):
    chosen = profile.with_overrides(
        profile.load_profile("demo"),
        ["second.share=1", "02_second.careful=no", "third.names=[x, y]", "first.n=4"],
    )
    assert chosen.chapters == {
        "02_second": {"share": 1.0, "careful": False},
        "03_third": {"names": ["x", "y"]},
        "01_first": {"n": 4},
    }
    assert isinstance(chosen.chapters["02_second"]["share"], float)
    injected = profile.parameters_of_run(chosen, "build/demo")
    assert injected["01_first"] == {"run_dir": "build/demo", "seed": 7, "n": 4}
    assert list(injected) == ["01_first", "02_second", "03_third", "20_manuscript"]


def write_profile(toy, text: str) -> str:
    path = toy.root / "configs" / "mine.yaml"
    path.write_text("name: mine\n" + text)
    return str(path)


def test_profile_values_are_checked(toy):
    good = write_profile(toy, "chapters: {second: {share: 1}, 01_first: {n: 2}}\nraw: ../data\n")
    loaded = profile.load_profile(good)
    assert loaded.chapters == {"02_second": {"share": 1.0}, "01_first": {"n": 2}}
    assert loaded.raw == toy.root / "data"  # beside configs/, where the file lies
    for text, words in (
        ("sed: 1", "valid names, closest first: seed"),
        ("chapters: {secnd: {}}", "closest first: 02_second"),
        ("chapters: {second: {shore: 1}}", "closest first: share"),
        ("chapters: {second: {careful: 1}}", "must be true or false"),
        ("chapters: {first: {n: true}}", "must be an int"),
        ("chapters: {third: {names: [1]}}", "must be a str"),
        ("chapters: [", "no valid YAML"),
    ):
        with pytest.raises(InputError, match=words):
            profile.load_profile(write_profile(toy, text))


def test_a_file_is_looked_for_before_anything_runs(toy, capsys, monkeypatch):
    monkeypatch.chdir(toy.root)
    sentence = error_of(capsys, monkeypatch, "run", "-p", "third.study=mine.csv")
    assert f"03_third.study must name a file, and there is none at {toy.root}/mine.csv" in sentence
    assert not toy.build.exists()
    with pytest.raises(InputError, match="there is none at"):
        profile.load_profile(write_profile(toy, "chapters: {third: {study: mine.csv}}"))

    (toy.root / "mine.csv").touch()
    (toy.root / "configs" / "other.csv").touch()
    named = profile.with_overrides(profile.load_profile("demo"), ["third.study=mine.csv"])
    assert named.chapters["03_third"]["study"] == str(toy.root / "mine.csv")
    loaded = profile.load_profile(write_profile(toy, "chapters: {third: {study: other.csv}}"))
    assert loaded.chapters["03_third"]["study"] == str(toy.root / "configs" / "other.csv")
    empty = profile.with_overrides(loaded, ["third.study="])
    assert empty.chapters["03_third"]["study"] == ""

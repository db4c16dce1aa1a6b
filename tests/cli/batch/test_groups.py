"""A group of commands of which one need not be named."""

import pytest
import typer
from typer.testing import CliRunner

from asyncscribe.cli.batch.groups import DefaultCommandGroup

app = typer.Typer()
group = typer.Typer(
    cls=DefaultCommandGroup, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]}
)
app.add_typer(group, name="batch")


@group.command()
def run(sources: list[str], output: str = ".") -> None:
    """Run it."""
    typer.echo(f"run {sources} {output}")


@group.command()
def status(folder: str = ".") -> None:
    """Tell of it."""
    typer.echo(f"status {folder}")


def called(*arguments):
    return CliRunner().invoke(app, ["batch", *arguments])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a.wav", "b.wav"], "run ['a.wav', 'b.wav'] ."),
        (["--output", "out", "a.wav"], "run ['a.wav'] out"),
        (["run", "a.wav"], "run ['a.wav'] ."),
        (["status"], "status ."),
        (["./status"], "run ['./status'] ."),
        (["--", "status"], "run ['status'] ."),
        (["run", "run"], "run ['run'] ."),
    ],
)
def test_what_does_not_begin_with_a_command_is_run(arguments, told):
    assert called(*arguments).stdout.strip() == told


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_the_help_is_of_the_group(arguments):
    assert "status" in called(*arguments).output


def test_a_mistake_is_one_of_run():
    result = called("--nonsense", "a.wav")
    assert result.exit_code == 2
    assert "--nonsense" in result.output

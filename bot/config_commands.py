"""The commands that look at the configuration: `tunewright config …`."""

import json

import typer

from bot.command_line import AsJson, DataDir, load

config_app = typer.Typer(help="Look at the configuration.", no_args_is_help=True)


@config_app.command("show")
def config_show(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show every setting, its value and where the value comes from; secrets are masked."""
    from bot import overview
    from configs.load import describe

    rows = describe(load(data_dir))
    if as_json:
        typer.echo(
            json.dumps(
                [{"path": r.path, "value": r.value_masked, "origin": r.origin} for r in rows],
                indent=1,
            )
        )
    else:
        overview.show_settings(rows)


@config_app.command("models")
def config_models(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show the base models that may be tuned here, and what is known of each."""
    from bot import overview

    settings = load(data_dir).settings
    if as_json:
        typer.echo(json.dumps(overview.models(settings), indent=1))
    else:
        overview.show_models(settings)

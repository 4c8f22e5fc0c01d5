"""The style sheet that all pages begin with: colours, type, focus, buttons."""

from importlib.resources import files


def base_style() -> str:
    """Returns the CSS; a service appends its own."""
    return files("chassis.pages").joinpath("base.css").read_text("utf-8")

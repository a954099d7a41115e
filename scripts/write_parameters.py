"""Write ``docs/parameters.md`` from `BlurSettings`; a test holds that it is up to date."""

from __future__ import annotations

from pathlib import Path

from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings, Parameter

PAGE = Path(__file__).resolve().parent.parent / "docs" / "parameters.md"
HEAD = f"""# Parameters

Made from `BlurSettings` by `scripts/write_parameters.py`. Give them to `blur`, `detect`, `redact`, `df.blur.apply` and
the command line (`--face-threshold 0.4`). A parameter of the API that is not said is left to whoever does the work:
`blur`, `redact`, `apply` and the command line say {DEFAULT_INTENSITY} for `plates` and `faces`.
"""


def page() -> str:
    """The whole page."""
    parameters = BlurSettings.parameters()
    ours = [parameter for parameter in parameters if not parameter.api]
    theirs = [parameter for parameter in parameters if parameter.api]
    return f"{HEAD}\n## Of the Blur API\n\n{table(theirs)}\n\n## Of the local engine and renderer\n\n{table(ours)}\n"


def table(parameters: list[Parameter]) -> str:
    """One row a parameter."""
    rows = ["| name | value | default | meaning |", "|---|---|---|---|"]
    for parameter in parameters:
        value = " \\| ".join(parameter.choices) or parameter.kind
        if parameter.low is not None and parameter.high is not None:
            value += f", {parameter.low:g} to {parameter.high:g}"
        if parameter.repeated:
            value += ", repeated"
        default = "" if parameter.default is None else f"{parameter.default}"
        rows.append(f"| `{parameter.name}` | {value} | {default} | {parameter.help} |")
    return "\n".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page())

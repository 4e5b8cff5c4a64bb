"""Variables, servers, RAGs and skills: what stands beside the states."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.workflow import model
from agents.workflow.fitting import fit
from agents.workflow.problems import Place, Problem, Severity, nearest
from agents.workflow.reach import NotFound, Reach
from agents.workflow.shapes import (
    EMBEDDING_MODELS,
    RagShape,
    ServerShape,
    SkillShape,
    ToolShape,
    VariableShape,
    WorkflowShape,
)
from agents.workflow.yaml_source import Source

SKILL_FILE = "SKILLS.md"
UNNAMED_RAG = ""
"""The name of the one RAG of a legacy file."""
NAME_RULE = "a name begins with a letter or _, and goes on with letters, digits and _"


@dataclass(frozen=True)
class Reading:
    """What every part needs while a file is read."""

    source: Source
    file: Path
    reach: Reach
    problems: list[Problem]
    """Grows while parts are read."""

    @property
    def base_dir(self) -> Path:
        """Return the folder of the file."""
        return self.file.parent

    def complain(self, code: str, place: Place, message: str, **more: Any) -> None:
        """Add a problem at a place of the file."""
        self.problems.append(self.source.problem(code, place, message, **more))

    def text_of(self, written: str, place: Place) -> str | None:
        """Return the text of a file that is named at a place; None, and a problem, where there is none."""
        try:
            return self.reach.read_text(written, self.base_dir)
        except NotFound as error:
            self.complain("no-file", place, str(error))
            return None


def variables(reading: Reading, shape: WorkflowShape) -> dict[str, model.Variable]:
    """Return the variables by name; a value is text, as the original makes it."""
    found = {}
    for name, raw in shape.variables.items():
        place: Place = ("variables", name)
        if not (name.isascii() and name.isidentifier()):
            reading.complain("bad-name", place, NAME_RULE)
        if isinstance(raw, Mapping):
            variable = _variable(reading, name, raw, place)
            if variable is not None:
                found[name] = variable
        elif isinstance(raw, list) or raw is None:
            reading.complain("wrong-type", place, "must be a value, or have `value` or `file`")
        else:
            found[name] = model.Variable(name, written(raw))
    return found


def _variable(
    reading: Reading, name: str, raw: Mapping[str, Any], place: Place
) -> model.Variable | None:
    fitted = fit(reading.source, VariableShape, raw, place, reading.problems)
    if fitted is None:
        return None
    if ("value" in raw) == ("file" in raw):
        reading.complain("excluded", place, "needs `value` or `file`, and not both")
        return None
    if fitted.file is None:
        return model.Variable(name, written(fitted.value), locked=fitted.locked)
    text = reading.text_of(fitted.file, (*place, "file"))
    if text is None:
        return None
    return model.Variable(name, text, file=fitted.file, locked=fitted.locked)


def written(value: object) -> str:
    """Write a plain value as JavaScript writes it into text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def servers(reading: Reading, shape: WorkflowShape) -> dict[str, model.Server]:
    """Return the servers by name; of a name in `tools` and `mcp_servers`, the latter counts."""
    found = {}
    for name, raw in shape.tools.items():
        place: Place = ("tools", name)
        tool = fit(reading.source, ToolShape, raw, place, reading.problems)
        if tool is not None and name not in shape.mcp_servers:
            server = _server_of_tool(reading, name, tool, place)
            if server is not None:
                found[name] = server
    for name, raw in shape.mcp_servers.items():
        place = ("mcp_servers", name)
        fitted = fit(reading.source, ServerShape, raw, place, reading.problems)
        server = None if fitted is None else _server(reading, name, fitted, place)
        if server is not None:
            found[name] = server
    return found


def _server_of_tool(
    reading: Reading, name: str, tool: ToolShape, place: Place
) -> model.Server | None:
    if (tool.npm_package is None) == (tool.file_path is None):
        reading.complain("excluded", place, "needs `npm_package` or `file_path`, and not both")
        return None
    more: dict[str, Any] = {"args": tuple(tool.args), "env": tool.env}
    if tool.npm_package is not None:
        kind = model.ServerKind.NPX
        return model.Server(name, kind, reading.base_dir, package=tool.npm_package, **more)
    kind = model.ServerKind.CUSTOM_TOOLS
    return model.Server(name, kind, reading.base_dir, tools_directory=tool.file_path, **more)


def _server(reading: Reading, name: str, shape: ServerShape, place: Place) -> model.Server | None:
    kinds = {None: "command", "npx": "package", "custom-tools": "tools_directory"}
    if shape.type not in kinds:
        known = [kind for kind in kinds if kind]
        message = "is no way to start a server: leave it out, or say npx or custom-tools"
        meant = nearest(shape.type or "", known)
        reading.complain("unknown-type", (*place, "type"), message, nearest=meant)
        return None
    needed = kinds[shape.type]
    if getattr(shape, needed) is None:
        reading.complain("missing", place, f"needs `{needed}`")
        return None
    return model.Server(
        name,
        model.ServerKind(shape.type or "command"),
        reading.base_dir,
        command=shape.command,
        package=shape.package,
        tools_directory=shape.tools_directory,
        args=tuple(shape.args),
        env=shape.env,
    )


def rags(reading: Reading, shape: WorkflowShape) -> dict[str, model.Rag]:
    """Return the RAGs by name; the one of a legacy file has the name ''."""
    found = {}
    named: list[tuple[str, Any, Place]] = [
        (name, raw, ("rags", name)) for name, raw in shape.rags.items()
    ]
    if isinstance(shape.rag.get("directory"), str):
        named.append((UNNAMED_RAG, shape.rag, ("rag",)))
    else:
        named.extend((name, raw, ("rag", name)) for name, raw in shape.rag.items())
    for name, raw, place in named:
        rag = rag_of(reading, name, raw, place)
        if rag is not None:
            found[name] = rag
    return found


def rag_of(reading: Reading, name: str, raw: object, place: Place) -> model.Rag | None:
    """Return one RAG, named or inside a state."""
    fitted = fit(reading.source, RagShape, raw, place, reading.problems)
    return None if fitted is None else rag_from(reading, name, fitted, place)


def rag_from(reading: Reading, name: str, shape: RagShape, place: Place) -> model.Rag | None:
    """Return one RAG whose values have the right types."""
    if shape.model is not None and shape.model not in EMBEDDING_MODELS:
        known = ", ".join(EMBEDDING_MODELS)
        meant = nearest(shape.model, EMBEDDING_MODELS)
        message = f"is no embedding model of this format: there are {known}"
        reading.complain("unknown-model", (*place, "model"), message, nearest=meant)
        return None
    if shape.storage_format not in {None, "json", "msgpack"}:
        message = "means json: there are json and msgpack, and the ending of the file decides"
        reading.complain(
            "no-effect", (*place, "storage_format"), message, severity=Severity.WARNING
        )
    return model.Rag(
        name=name,
        directory=shape.directory,
        base_dir=reading.base_dir,
        model=shape.model,
        embeddings_file=shape.embeddings_file,
        chunk_size_chars=shape.chunk_size,
        top_k=shape.top_k,
        chunk_template=shape.chunk_template,
        context_template=shape.context_template,
    )


def skills(reading: Reading, shape: WorkflowShape) -> dict[str, model.Skill]:
    """Return the skills by `group.folder`: each folder with a SKILLS.md below a group's directory is one."""
    found = {}
    for group, raw in shape.skills.items():
        place: Place = ("skills", group)
        fitted = fit(reading.source, SkillShape, raw, place, reading.problems)
        if fitted is None:
            continue
        try:
            directory = reading.reach.find(fitted.directory, reading.base_dir, folder=True)
        except NotFound as error:
            reading.complain("no-file", (*place, "directory"), str(error))
            continue
        for path in sorted(directory.glob(f"*/{SKILL_FILE}")):
            text = reading.text_of(str(path), (*place, "directory"))
            if text is not None:
                name = f"{group}.{path.parent.name}"
                found[name] = model.Skill(name, text)
    return found

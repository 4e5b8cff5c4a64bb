"""What an exporting job would leave behind, without a model."""

import hashlib
import io
import zipfile
from pathlib import Path

from agents.jobs import ExportResult, ExportSpec, FileRef, Parity


def a_written_export(folder: Path, spec: ExportSpec, cause: str | None) -> ExportResult:
    """Write a file in the job folder; with a cause, the check has failed and nothing is handed over."""
    content = _zip(spec)
    path = folder / "artifacts" / f"{spec.name}-{spec.format}.zip"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    ref = FileRef(
        path=str(path.relative_to(folder)),
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        name=path.name,
    )
    parity = Parity(prompts=8, same=7, near_ties=1, cause=cause)
    return ExportResult(
        format=spec.format, files=() if cause else (ref,), parity=parity, versions={}
    )


def _zip(spec: ExportSpec) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        files = {"README.md": f"# {spec.name}\n\nLoad it.\n", "weights.gguf": spec.format.value}
        for name, text in files.items():
            entry = zipfile.ZipInfo(f"{spec.name}/{name}", date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, text)
    return content.getvalue()

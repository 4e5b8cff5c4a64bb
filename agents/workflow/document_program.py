"""Prints the text of a PDF or Word file: a child program under limits.

    python -I document_program.py .pdf < file

What comes in may be made to use up memory or time, so it is read outside of the process that everything else is in.
Nothing of the project is imported, so that it starts at once and knows nothing.
"""

import io
import logging
import resource
import sys

MAX_MEMORY_BYTES = 2 * 1024**3
MAX_CPU_S = 50
MAX_CHARS = 2_000_000
"""More is cut; who started this refuses it anyway."""


def main() -> None:
    """Read a file from stdin and print what it says."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S))
    # it writes nothing but its pipe
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    logging.disable()  # remarks on small faults of a file: what counts is whether there is text
    text = READERS[sys.argv[1]](sys.stdin.buffer.read())
    sys.stdout.buffer.write(text[:MAX_CHARS].encode("utf-8", "replace"))


def pdf(content: bytes) -> str:
    """Return the text of the pages, a blank line between two."""
    from pypdf import PdfReader

    pages = []
    length = 0
    for page in PdfReader(io.BytesIO(content)).pages:
        text = page.extract_text()
        pages.append(text)
        length += len(text)
        if length > MAX_CHARS:
            break
    return "\n\n".join(pages)


def docx(content: bytes) -> str:
    """Return paragraphs and tables in the order of the document, the cells of a row with a bar between."""
    from docx import Document
    from docx.table import Table

    parts = []
    for block in Document(io.BytesIO(content)).iter_inner_content():
        if isinstance(block, Table):
            rows = [" | ".join(cell.text.strip() for cell in row.cells) for row in block.rows]
            parts.append("\n".join(rows))
        else:
            parts.append(block.text)
    return "\n".join(parts)


READERS = {".pdf": pdf, ".docx": docx}

if __name__ == "__main__":
    main()

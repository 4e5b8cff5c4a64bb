"""Data sets of a run and what was made from them: plans, artifacts, reports, suggestions."""

from sqlalchemy.orm import aliased
from sqlmodel import Session, col, or_, select

from storage.models import Artifact, Dataset, EvaluationReport, Plan, Suggestion

UPLOAD = "upload"
TEST = "test"
KNOWN_ANSWERS = "known_answers"
"""Role of what models answered in the last evaluation of a run."""
ANSWERS = "answers"
"""Role, of a try, of what base and tuned said to each sealed row."""


def keep(session: Session, dataset: Dataset) -> Dataset:
    """Add a data set of a run, once per role."""
    known = find(session, dataset.run_id, dataset.role)
    if known is not None:
        return known
    session.add(dataset)
    session.flush()
    return dataset


def replace(session: Session, dataset: Dataset) -> Dataset:
    """Let another data set play a role in a run; the same one again changes nothing."""
    known = find(session, dataset.run_id, dataset.role)
    if known is None:
        return keep(session, dataset)
    known.sha256, known.size_bytes, known.rows = dataset.sha256, dataset.size_bytes, dataset.rows
    known.details = dataset.details
    session.add(known)
    session.flush()
    return known


def remove(session: Session, run_id: int, role: str) -> None:
    """Let nothing play a role in a run any more; the file stays in the store."""
    known = find(session, run_id, role)
    if known is not None:
        session.delete(known)
        session.flush()


DOCUMENT = "document"
"""Roles of texts that rows may be made from: `document`, `document2`, …."""
MADE = "made"
"""Role, of a try, of the rows that a program has made and a person has taken, each with where it is from."""
UNUSED = "unused"
"""Role, of a try, of made rows that its training was no better with: its adapter has not learnt them."""
WITHOUT = "without"
"""Role, of a try, of its rows to learn from without the made ones."""


def rename(session: Session, dataset: Dataset, role: str) -> None:
    """Let a data set play another role in its run, instead of whatever plays that."""
    remove(session, dataset.run_id, role)
    dataset.role, dataset.name = role, f"{role}.jsonl"
    session.add(dataset)
    session.flush()


def role_of_try(role: str, iteration: int) -> str:
    """Return the role of a file that one try alone has: `train.2`."""
    return f"{role}.{iteration}"


def train_of(session: Session, run_id: int, iteration: int) -> Dataset | None:
    """Return the rows that a try learns from: its own where its plan changes some, else those of the run."""
    own = find(session, run_id, role_of_try("train", iteration))
    return own or find(session, run_id, "train")


def find(session: Session, run_id: int, role: str) -> Dataset | None:
    """Return the data set that plays a role in a run."""
    return session.exec(
        select(Dataset).where(Dataset.run_id == run_id, Dataset.role == role)
    ).first()


def role_of_upload(place: int) -> str:
    """Return the role of the first, second, … file of a run: `upload`, `upload2`, …."""
    return f"{UPLOAD}{place + 1}" if place else UPLOAD


def role_of_document(place: int) -> str:
    """Return the role of the first, second, … document of a run: `document`, `document2`, …."""
    return f"{DOCUMENT}{place + 1}" if place else DOCUMENT


def uploads(session: Session, run_id: int) -> list[Dataset]:
    """Return the files of a run as they came, in the order in which they were given."""
    found: list[Dataset] = []
    while (more := find(session, run_id, role_of_upload(len(found)))) is not None:
        found.append(more)
    return found


def documents(session: Session, run_id: int) -> list[Dataset]:
    """Return the documents of a run, in the order in which they were given."""
    return list(
        session.exec(
            select(Dataset)
            .where(Dataset.run_id == run_id, col(Dataset.role).startswith(DOCUMENT))
            .order_by(col(Dataset.id))
        )
    )


def made_of(session: Session, run_id: int, iteration: int) -> Dataset | None:
    """Return the made rows that the adapter of a try has learnt, or is about to."""
    return find(session, run_id, role_of_try(MADE, iteration))


def known_answers(session: Session, test: Dataset) -> Dataset | None:
    """Return answers to the rows of a test set: those of its own run, else of the newest run with the same rows."""
    other = aliased(Dataset)
    return session.exec(
        select(Dataset)
        .join(other, col(other.run_id) == col(Dataset.run_id))
        .where(
            Dataset.role == KNOWN_ANSWERS,
            col(other.role) == "test",
            col(other.sha256) == test.sha256,
        )
        .order_by((col(Dataset.run_id) == test.run_id).desc(), col(Dataset.id).desc())
    ).first()


def latest_plan(session: Session, run_id: int, iteration: int | None = None) -> Plan | None:
    """Return the newest plan of an iteration, or of the run."""
    query = select(Plan).where(Plan.run_id == run_id)
    if iteration is not None:
        query = query.where(Plan.iteration == iteration)
    return session.exec(
        query.order_by(col(Plan.iteration).desc(), col(Plan.revision).desc())
    ).first()


def report_of(session: Session, run_id: int, iteration: int) -> EvaluationReport | None:
    """Return the report of an iteration."""
    return session.exec(
        select(EvaluationReport).where(
            EvaluationReport.run_id == run_id, EvaluationReport.iteration == iteration
        )
    ).first()


def openings(session: Session, run_id: int) -> list[EvaluationReport]:
    """Return the reports of all runs on the test rows of this one, oldest first: every opening of them.

    Runs with the same sealed file are on the same rows, and so are runs with an upload in common: it is split the same
    way each time, whatever sentence stands before its prompts.
    """
    played = or_(col(Dataset.role) == TEST, col(Dataset.role).startswith(UPLOAD))
    files = select(Dataset.sha256).where(Dataset.run_id == run_id, played)
    runs = select(Dataset.run_id).where(col(Dataset.sha256).in_(files), played)
    return list(
        session.exec(
            select(EvaluationReport)
            .where(col(EvaluationReport.run_id).in_(runs))
            .order_by(col(EvaluationReport.created_at), col(EvaluationReport.id))
        )
    )


def suggest(session: Session, run_id: int, iteration: int, rows: list[Suggestion]) -> None:
    """Keep what is suggested after a try. What was suggested before, and led to no plan, goes: the try was looked at anew."""
    for earlier in suggestions(session, run_id, iteration):
        session.delete(earlier)
    session.flush()
    session.add_all(rows)
    session.flush()


def suggestions(session: Session, run_id: int, iteration: int) -> list[Suggestion]:
    """Return what the debugger proposed after an iteration."""
    return list(
        session.exec(
            select(Suggestion)
            .where(Suggestion.run_id == run_id, Suggestion.iteration == iteration)
            .order_by(col(Suggestion.position))
        )
    )


def put_artifact(session: Session, wanted: Artifact) -> Artifact:
    """Add an artifact, or let what there is of its kind and iteration be another file."""
    known = artifact(session, wanted.run_id, wanted.kind, wanted.iteration)
    row = known or wanted
    row.sha256, row.size_bytes = wanted.sha256, wanted.size_bytes
    session.add(row)
    session.flush()
    return row


def artifact(
    session: Session, run_id: int, kind: str, iteration: int | None = None
) -> Artifact | None:
    """Return the newest artifact of a kind, of one iteration or of the run."""
    query = select(Artifact).where(Artifact.run_id == run_id, Artifact.kind == kind)
    if iteration is not None:
        query = query.where(Artifact.iteration == iteration)
    return session.exec(query.order_by(col(Artifact.id).desc())).first()

"""Data sets of a run and what was made from them: plans, artifacts, reports, suggestions."""

from sqlmodel import Session, col, select

from storage.models import Artifact, Dataset, EvaluationReport, Plan, Suggestion

UPLOAD = "upload"


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
    session.add(known)
    session.flush()
    return known


def find(session: Session, run_id: int, role: str) -> Dataset | None:
    """Return the data set that plays a role in a run."""
    return session.exec(
        select(Dataset).where(Dataset.run_id == run_id, Dataset.role == role)
    ).first()


def role_of_upload(place: int) -> str:
    """Return the role of the first, second, … file of a run: `upload`, `upload2`, …."""
    return f"{UPLOAD}{place + 1}" if place else UPLOAD


def uploads(session: Session, run_id: int) -> list[Dataset]:
    """Return the files of a run as they came, in the order in which they were given."""
    found: list[Dataset] = []
    while (more := find(session, run_id, role_of_upload(len(found)))) is not None:
        found.append(more)
    return found


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


def reports(session: Session, run_id: int) -> list[EvaluationReport]:
    """Return the reports of a run, oldest first: every opening of its test set."""
    return list(
        session.exec(
            select(EvaluationReport)
            .where(EvaluationReport.run_id == run_id)
            .order_by(col(EvaluationReport.iteration))
        )
    )


def suggestions(session: Session, run_id: int, iteration: int) -> list[Suggestion]:
    """Return what the debugger proposed after an iteration."""
    return list(
        session.exec(
            select(Suggestion)
            .where(Suggestion.run_id == run_id, Suggestion.iteration == iteration)
            .order_by(col(Suggestion.position))
        )
    )


def artifact(
    session: Session, run_id: int, kind: str, iteration: int | None = None
) -> Artifact | None:
    """Return the newest artifact of a kind, of one iteration or of the run."""
    query = select(Artifact).where(Artifact.run_id == run_id, Artifact.kind == kind)
    if iteration is not None:
        query = query.where(Artifact.iteration == iteration)
    return session.exec(query.order_by(col(Artifact.iteration).desc())).first()

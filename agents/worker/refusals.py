"""What a person is told whose rows are too few, or cannot be used at all."""

from agents.jobs import row_name
from agents.worker.errors import WorkerError
from agents.worker.examine import Examined
from agents.worker.sources import Source
from agents.worker.split_rows import Groups
from agents.worker.table import RowErrors
from agents.worker.upload_bytes import bad_data


def none_to_hold_out(groups: Groups, examined: Examined) -> WorkerError:
    """Return the error of rows of which none can judge."""
    rows = sum(map(len, groups.values()))
    if examined.learnt_before:
        return bad_data(
            f"The adapter that you want to go on from has learnt {examined.learnt_before:,} of the {rows:,} rows already, so too "
            "few are left for a fair test. Add rows that it has not seen, or start without going on from it."
        )
    return bad_data(
        f"The {rows} rows share only {len(groups)} different prompts, so none can be "
        "held out for a fair test. Add rows with other prompts."
    )


def no_rows(sources: list[Source]) -> WorkerError:
    """Return the error of files without a usable row."""
    errors = RowErrors()
    for place, source in enumerate(sources):
        errors.take(source.errors, place)
    if errors.count:
        return bad_data(f"Not one of the {errors.count:,} rows can be read. {_left_out(0, errors)}")
    table = sources[0].table
    header = f" below the column names ({', '.join(table.columns)})" if table.columns else ""
    return bad_data(f"The file has no rows{header}. Add rows with a prompt and a completion each.")


def too_few(kept: int, needed: int, duplicates: int, errors: RowErrors) -> WorkerError:
    """Return the error of fewer usable rows than a run takes."""
    rows = "1 row" if kept == 1 else f"{kept} rows"
    message = f"{rows} can be used and at least {needed} are needed: add {needed - kept} more. "
    return WorkerError(
        "too_few_rows", (message + _left_out(duplicates, errors)).strip(), for_person=True
    )


def _left_out(duplicates: int, errors: RowErrors) -> str:
    why = [(times, reason) for reason, times in errors.reasons.most_common(3)]
    if duplicates:
        why.insert(0, (duplicates, "the same as an earlier one"))
    if not why:
        return ""
    listed = "; ".join(
        f"{times:,} {'row' if times == 1 else 'rows'} ({reason})" for times, reason in why
    )
    first = (
        f" The first with a problem is {row_name(errors.first()[0].row)}." if errors.count else ""
    )
    return f"Left out: {listed}.{first}"

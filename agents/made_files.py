"""The files that a try with made rows learns from: with these rows and without, and the made ones with where they are from."""

from dataclasses import dataclass

from agents import generation_need, made_rows, row_changes
from agents.jobs import IntakeResult, Source
from agents.made_jobs import Batch
from agents.made_review import Review
from agents.made_rows import MadeRows, Mixed, Row, Share
from agents.planned_generation import PlannedGeneration
from agents.row_changes import RowsChange
from agents.services import Services
from storage.files import StoredFile
from storage.models import Dataset


@dataclass(frozen=True)
class Stock:
    """What there is to learn from before new rows are made."""

    planned: PlannedGeneration
    data: IntakeResult
    base: Dataset
    """Rows of the uploads."""
    earlier: Dataset | None
    """Made rows of an earlier try that are learnt again."""
    changed: RowsChange
    """What the plan changes in rows, made ones too."""


@dataclass(frozen=True)
class MadeFiles:
    """What a try learns from, in the store."""

    train: StoredFile
    made: StoredFile
    without: StoredFile
    """The same without new rows."""
    without_lines: int
    facts: MadeRows


def again(services: Services, stock: Stock) -> list[Row]:
    """Return the made rows of an earlier try as this one learns them; none where there are none."""
    if stock.earlier is None:
        return []
    raw = services.files.path(stock.earlier.sha256).read_bytes()
    return made_rows.lines_of(row_changes.carried_out(raw, stock.changed).train)


def without(services: Services, stock: Stock, earlier: list[Row]) -> StoredFile:
    """Keep the rows to learn from without new ones."""
    if not earlier:
        path = services.files.path(stock.base.sha256)
        return StoredFile(stock.base.sha256, stock.base.size_bytes, path)
    return services.files.put(_learnt_again(services, stock, earlier).train)


def with_new(  # what is learnt, and all that is to be known of it
    services: Services,
    stock: Stock,
    batch: Batch,
    review: Review,
    earlier: list[Row],
    new: list[Row],
) -> MadeFiles:
    """Keep what a try with new made rows learns from."""
    terms = stock.planned.terms
    assert terms is not None
    share = Share(terms.weight, terms.most_share, terms.seed)
    mixed = made_rows.mixed(_base(services, stock), [*earlier, *new], share)
    asked = () if batch.gathered is None else batch.gathered.requests
    facts = _facts(
        stock,
        mixed,
        MadeRows(
            weight=terms.weight,
            sources=_sources(stock, batch, new),
            drafts=batch.made.rows,
            sifted=tuple((one.sieve, one.rows) for one in batch.sifted.sifted if one.rows),
            struck=review.struck,
            asked=(*asked, *(f"{name}: {sql}" for name, sql in stock.planned.queries)),
            again=stock.planned.again,
        ),
    )
    lines = mixed.lines - mixed.learnt
    if earlier:
        lines = _learnt_again(services, stock, earlier).lines
    return _kept(services, mixed, without(services, stock, earlier), lines, facts)


def only_again(services: Services, stock: Stock, earlier: list[Row]) -> MadeFiles:
    """Keep what a try learns from that has made rows of an earlier one and no new ones."""
    assert stock.earlier is not None
    mixed = _learnt_again(services, stock, earlier)
    before = MadeRows.model_validate(stock.earlier.details)
    since = before.again or stock.planned.again
    facts = _facts(stock, mixed, before.model_copy(update={"again": since}))
    return _kept(services, mixed, without(services, stock, earlier), mixed.lines, facts)


def _learnt_again(services: Services, stock: Stock, earlier: list[Row]) -> Mixed:
    known = stock.earlier
    weight = 1.0 if known is None else MadeRows.model_validate(known.details).weight
    share = Share(weight, services.settings.generation.most_share)
    return made_rows.mixed(_base(services, stock), earlier, share)


def _facts(stock: Stock, mixed: Mixed, facts: MadeRows) -> MadeRows:
    """Return facts with what is counted in the rows themselves."""
    rows = made_rows.lines_of(mixed.made)
    by_label = generation_need.are_labels(stock.data)
    counted = made_rows.counted(rows, by_label=by_label)
    sizes = {"rows": len(rows), "learnt": mixed.learnt, "of": mixed.lines}
    return facts.model_copy(update={**sizes, **counted})


def _sources(stock: Stock, batch: Batch, new: list[Row]) -> tuple[Source, ...]:
    known = stock.earlier
    before = () if known is None else MadeRows.model_validate(known.details).sources
    found = made_rows.sources_of(new, made_rows.lines_of(batch.facts))
    return tuple(dict.fromkeys((*before, *found)))


def _base(services: Services, stock: Stock) -> bytes:
    return services.files.path(stock.base.sha256).read_bytes()


def _kept(
    services: Services, mixed: Mixed, plain: StoredFile, plain_lines: int, facts: MadeRows
) -> MadeFiles:
    return MadeFiles(
        train=services.files.put(mixed.train),
        made=services.files.put(mixed.made),
        without=plain,
        without_lines=plain_lines,
        facts=facts,
    )

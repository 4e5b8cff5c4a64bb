"""The debugger's requests for rows: findings that say which kind is missing get a change that makes them.

Only where made rows are allowed: by the settings, or because somebody has asked for some in this run. A sealed row never decides
one by itself: labels are weak by what the training thought of its own rows, or because a person has named them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents import generation_need, made_rows, row_forecast
from agents.diagnosis import Finding
from agents.diagnosis.evidence import difference, percent
from agents.generation_need import Need, Supply
from agents.jobs import InspectResult, IntakeResult, MapPoint, Region, RowShape, Stratum
from agents.made_wishes import MadeRowsWish
from agents.planned_generation import of_plan
from agents.recipe import Method, Recipe
from agents.services import Services
from configs.schema import Backend
from storage.models import Dataset, Plan, Run

FEWEST_POINTS = 5
"""Rows of a label that must have been looked at."""
HARDER = 0.1
"""By so much, at least, the share of hard rows of a weak label lies above that of the others, with 95 % confidence."""
MOST_WEAK = 5
NAMED = 5


@dataclass(frozen=True)
class Known:
    """What requests rest on."""

    supply: Supply
    looked: InspectResult | None
    labels: dict[int, str]
    """Answers of the rows to learn from, by their numbers."""


def allowed(services: Services, run: Run, plan: Plan, data: IntakeResult | None) -> bool:
    """Tell whether rows may be proposed for the next try."""
    told = MadeRowsWish.model_validate(run.made_rows or {})
    recipe = Recipe.model_validate(plan.recipe)
    fits = (
        data is not None
        and data.shape is RowShape.PROMPT_COMPLETION
        and recipe.method is Method.SFT
        and recipe.backend is Backend.TRL
    )
    wanted = services.settings.generation.propose or bool(told) or of_plan(plan.generation)
    return fits and bool(wanted) and not told.off


def known(
    services: Services, train: Dataset, data: IntakeResult, looked: InspectResult | None
) -> Known:
    """Count the rows to learn from."""
    raw = services.files.path(train.sha256).read_bytes()
    labels = {}
    if generation_need.are_labels(data):
        rows = made_rows.lines_of(raw)
        labels = {int(row["row"]): made_rows.answer_of(row) for row in rows}
    return Known(generation_need.count(raw, data), looked, labels)


def offered(findings: Sequence[Finding], there: Known) -> list[Finding]:
    """Return the findings, with a change where one says which rows are missing; labels that are weak come last."""
    found = [_with_rows(finding, there) for finding in findings]
    weak = weak_labels(there)
    return found if weak is None else [*found, weak]


def weak_labels(there: Known) -> Finding | None:
    """Labels whose rows the training found hard, far more often than those of the others."""
    looked = there.looked
    points = [p for p in looked.points if not p.doubted and p.row in there.labels] if looked else []
    weak = {
        label: shares
        for label in there.supply.by_label
        if (shares := _harder(points, there.labels, label)) is not None
    }
    if not weak:
        return None
    ranked = sorted(weak, key=lambda label: (-weak[label][0], label))[:MOST_WEAK]
    told = ", ".join(f"“{name}” {percent(weak[name][0])}" for name in ranked)
    rest = min(weak[name][1] for name in ranked)
    wish = _more_of(ranked, there.supply)
    return Finding(
        "weak_labels",
        f"The training found these labels hard to learn: {told} of their rows were never found likely, of the others {percent(rest)}.",
        _advice(wish),
        wish,
        telling=0.5,
    )


def _harder(
    points: Sequence[MapPoint], labels: dict[int, str], label: str
) -> tuple[float, float] | None:
    """Return the shares of hard rows of a label and of the others, where the first is larger beyond chance."""
    mine = [point for point in points if labels[point.row] == label]
    others = [point for point in points if labels[point.row] != label]
    if len(mine) < FEWEST_POINTS or len(others) < FEWEST_POINTS:
        return None
    hard = [sum(p.region is Region.HARD for p in part) for part in (mine, others)]
    _gain, low, _high = difference((hard[0], len(mine)), (hard[1], len(others)))
    return (hard[0] / len(mine), hard[1] / len(others)) if low > HARDER else None


def _with_rows(finding: Finding, there: Known) -> Finding:
    """Give a finding that wants rows a change that makes them."""
    if finding.change is not None:
        return finding
    wish = _wish(finding, there)
    if wish is None:
        return finding
    return replace(finding, change=wish, advice=f"{finding.advice}; or {_advice(wish)}")


def _wish(finding: Finding, there: Known) -> MadeRowsWish | None:
    ahead = there.looked.forecast if there.looked else None
    match finding.rule:
        case "imbalance":
            return _of_need(generation_need.gaps(there.supply))
        case "too_few_rows":
            return _of_need(generation_need.few(there.supply))
        case row_forecast.RULE:
            return _of_need(generation_need.forecast(there.supply, ahead))
        case "said":
            return _of_remark(finding, there.supply)
        case _:
            return None


def _of_need(need: Need | None) -> MadeRowsWish | None:
    return None if need is None or not need.strata else MadeRowsWish(strata=need.strata)


def _of_remark(finding: Finding, supply: Supply) -> MadeRowsWish | None:
    """Return rows for the labels that a person has complained of, unless the measurements say otherwise."""
    said = finding.said or {}
    remark = said.get("remark", {})
    if said.get("is_shown") is False:
        return None
    named = [remark.get("one"), remark.get("other")]
    if remark.get("by") == "label":
        named = [remark.get("name")]
    flat = {label.casefold(): label for label in supply.by_label}
    labels = [flat[name.casefold()] for name in named if name and name.casefold() in flat]
    return _more_of(labels, supply) if labels else None


def _more_of(labels: Sequence[str], supply: Supply) -> MadeRowsWish:
    need = generation_need.wanted(MadeRowsWish(more_of=tuple(labels)), supply, None)
    return MadeRowsWish(strata=need.strata)


def _advice(wish: MadeRowsWish) -> str:
    named = ", ".join(_named(stratum) for stratum in wish.strata[:NAMED])
    more = ", …" if len(wish.strata) > NAMED else ""
    rows = generation_need.total(wish.strata)
    return f"make {rows:,} rows ({named}{more}), which you see before they are learnt"


def _named(stratum: Stratum) -> str:
    return f"{stratum.rows:,}" + (f" for “{stratum.label}”" if stratum.label is not None else "")

"""What a plan costs, and whether today's budgets have room for it."""

from sqlmodel import Session

from agents.planning import Estimate
from agents.services import Services
from agents.work import number
from configs.schema import BudgetSettings
from storage import budgets, datasets
from storage.budgets import Limits, Short, Want
from storage.models import Run


def cost(seconds: float, settings: BudgetSettings) -> float | None:
    """Return what so much time of a slot costs, or None where no price is configured."""
    return seconds / 3600 * settings.price_per_hour if settings.price_per_hour else None


def reserve(session: Session, services: Services, run: Run) -> str | None:
    """Reserve what the newest plan of a run takes, once; return what to tell the person where that is not possible."""
    plan = datasets.latest_plan(session, number(run), run.iteration)
    if plan is None:
        raise LookupError(f"run {run.id} has no plan to reserve for")
    settings = services.settings.budgets
    want_s = (
        plan.estimate.get("reserve_s")
        or plan.estimate.get("total_s")
        or Estimate(**plan.estimate).total_s
    )
    minutes = want_s / 60
    want = _want(run, plan.revision, minutes, settings)
    short = budgets.reserve(session, want, _limits(settings), services.clock.now())
    return None if short is None else _sorry(short, settings.currency)


def lacking(session: Session, services: Services, run: Run, minutes: float) -> str | None:
    """Return what is missing today for so much more time of a slot, without reserving it; None where nothing is."""
    settings = services.settings.budgets
    want = _want(run, 0, minutes, settings)
    short = budgets.lacking(session, want, _limits(settings), services.clock.now())
    if short is None:
        return None
    wanted, left = _amounts(short, settings.currency)
    return (
        f"Another try takes about {wanted}, but of the {left} are left. The budget renews at "
        f"{short.renews_at:%Y-%m-%d %H:%M} UTC."
    )


def _want(run: Run, revision: int, minutes: float, settings: BudgetSettings) -> Want:
    return Want(
        run_id=number(run),
        iteration=run.iteration,
        revision=revision,
        owner=run.owner,
        guild=run.guild,
        minutes=minutes,
        price_per_hour=settings.price_per_hour,
    )


def _limits(settings: BudgetSettings) -> dict[str, Limits]:
    return {
        "user": Limits(settings.user_minutes_per_day, settings.user_money_per_day),
        "guild": Limits(settings.guild_minutes_per_day, settings.guild_money_per_day),
        "everybody": Limits(settings.minutes_per_day, settings.money_per_day),
    }


def _sorry(short: Short, currency: str) -> str:
    wanted, left = _amounts(short, currency)
    return (
        f"This plan takes about {wanted}, but of the {left} are left. The budget renews at {short.renews_at:%Y-%m-%d %H:%M} UTC: "
        "say ✅ then, or reply with a smaller plan, for example “use 100 rows”."
    )


def _amounts(short: Short, currency: str) -> tuple[str, str]:
    """Say how much is wanted, and how much of which budget is left."""
    whose = {
        "user": "one person",
        "guild": "this server",
        "everybody": "everybody together",
    }[short.scope]
    unit = currency if short.money else "minutes of machine time"
    digits = 2 if short.money else 1
    return (
        f"{short.wanted:.{digits}f} {unit}",
        f"{short.limit:.{digits}f} that {whose} may use on a day {short.left:.{digits}f}",
    )

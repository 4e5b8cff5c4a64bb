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
    want = Want(
        run_id=number(run),
        iteration=run.iteration,
        revision=plan.revision,
        owner=run.owner,
        guild=run.guild,
        minutes=Estimate(**plan.estimate).total_s / 60,
        price_per_hour=settings.price_per_hour,
    )
    limits = {
        "user": Limits(settings.user_minutes_per_day, settings.user_money_per_day),
        "guild": Limits(settings.guild_minutes_per_day, settings.guild_money_per_day),
        "everybody": Limits(settings.minutes_per_day, settings.money_per_day),
    }
    short = budgets.reserve(session, want, limits, services.clock.now())
    return None if short is None else _sorry(short, settings.currency)


def _sorry(short: Short, currency: str) -> str:
    whose = {
        "user": "one person",
        "guild": "this server",
        "everybody": "everybody together",
    }[short.scope]
    unit = currency if short.money else "minutes of machine time"
    digits = 2 if short.money else 1
    return (
        f"This plan takes about {short.wanted:.{digits}f} {unit}, but of the {short.limit:.{digits}f} that {whose} may use "
        f"on a day {short.left:.{digits}f} are left. The budget renews at {short.renews_at:%Y-%m-%d %H:%M} UTC: say ✅ then, "
        "or reply with a smaller plan, for example “use 100 rows”."
    )

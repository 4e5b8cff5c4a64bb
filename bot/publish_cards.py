"""Cards about publishing: the question with all that would be seen, and what came of it."""

from typing import Any

from agents.delivery import snippet
from bot.question_cards import ask
from bot.scenes import Scene
from bot.surface import Card, Tone
from bot.text import block, inline, plain, size

MOST_FILES = 20


def question(scene: Scene) -> Card:
    """Ask whether something may be pushed to the Hub."""
    shown = scene.event.payload
    repo, public = inline(shown["repo"]), not shown["private"]
    seen = (
        "⚠ **PUBLIC: anybody can see and download it.**"
        if public
        else "**Private**: only who has access to the repository can see it."
    )
    there = "a new repository" if shown["new"] else "a repository that is there already"
    lines = [f"Push the {plain(shown['what'], 40)} to {repo}, {there}? {seen}"]
    if shown["replaced"]:
        replaced = ", ".join(inline(name, 60) for name in shown["replaced"][:MOST_FILES])
        lines.append(f"⚠ These files there will be replaced: {replaced}.")
    lines += _files(shown["files"])
    lines += [
        f"The README holds the sentence of your task and the scores; no row of your data is pushed. "
        f"It is pushed as {inline(shown['account'])}.",
        _licence(shown),
    ]
    return ask(
        scene,
        Card(title="Publish PUBLICLY?" if public else "Publish privately?", body="\n".join(lines)),
        yes="push it, public" if public else "push it, private",
        no="don't",
        hint="For another repository or visibility: ❌, and `/finetune publish` again.",
    )


def _files(files: list[dict[str, Any]]) -> list[str]:
    total = sum(file["size_bytes"] for file in files)
    lines = [f"{len(files)} files, {size(total)}:"]
    lines += [
        f"• {inline(file['name'], 80)} {size(file['size_bytes'])}" for file in files[:MOST_FILES]
    ]
    return lines if len(files) <= MOST_FILES else [*lines, f"• and {len(files) - MOST_FILES} more"]


def _licence(shown: dict[str, Any]) -> str:
    base, name = inline(shown["base"]), shown["licence"]
    if name is None:
        return f"⚠ I do not know the licence of the base, {base}. Find it out before you pass anything on."
    use = {
        "with_conditions": ", which sets conditions to commercial use",
        "no": ", which does not allow commercial use",
    }.get(shown["commercial_use"] or "", "")
    return f"Licence of the base, {base}: **{plain(name, 80)}**{use}."


def published(scene: Scene) -> Card:
    """Say where it is now, or why it is not."""
    shown = scene.event.payload
    if "cause" in shown:
        return Card(
            title="Not published",
            body=f"{plain(shown['cause'], 900)}\nThe adapter itself is untouched.",
            tone=Tone.BAD,
            footer=scene.marker,
            loud=True,
        )
    where = inline(shown["url"], 200)
    seen = "private" if shown["private"] else "public"
    lines = [f"{where} ({seen}), commit {inline(shown['commit'][:12])}."]
    if shown["already"]:
        lines.append("It held these files already; nothing was pushed a second time.")
    if shown["what"] == "adapter":
        lines.append(block(snippet(shown["base"], shown["repo"], scores=shown["scores"]), 600))
    return Card(
        title="Published", body="\n".join(lines), tone=Tone.GOOD, footer=scene.marker, loud=True
    )

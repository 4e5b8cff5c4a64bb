"""Text that came from people, files and models, made safe to show."""

import re
import unicodedata

from agents.knowledge.defanging import defanged

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~:@])")
_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})


def visible(text: str) -> str:
    """Drop controls, bidi marks and other characters that change how their neighbours look; keep line breaks."""
    kept = (c if c == "\n" or unicodedata.category(c) not in _INVISIBLE else " " for c in text)
    return "".join(kept)


def clip(text: str, limit: int) -> str:
    """Cut to at most `limit` characters, with a mark where something is missing."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)].rstrip("\\") + "…"


def plain(text: str, limit: int = 300) -> str:
    """Return one line in which no Markdown, mention or link is live."""
    line = clip(" ".join(visible(text).split()), limit)
    return _SPECIAL.sub(r"\\\1", line.replace("://", "[:]//"))


def block(text: str, limit: int = 400, language: str = "") -> str:
    """Return a code block that its content cannot leave."""
    inner = clip(visible(text), limit).replace("```", "'''").strip("\n")
    return f"```{language}\n{inner or ' '}\n```"


def inline(text: str, limit: int = 100) -> str:
    """Return inline code that its content cannot leave."""
    inner = clip(" ".join(visible(text).split()), limit).replace("`", "'")
    return f"`{inner or ' '}`"


def citation(title: str, url: str, limit: int = 200) -> str:
    """Return where something was found: its title, and its address in a form that nothing follows."""
    address = inline(defanged(url), limit)
    return f"{plain(defanged(title), limit)} {address}" if title.strip() else address


def looked_up(text: str, limit: int = 400) -> str:
    """Return text of a page or database as a block in which no address is live, for whoever copies from it too."""
    return block(defanged(text), limit)


def duration(seconds: float) -> str:
    """Say a duration the way a person would."""
    if seconds < 90:
        return f"{max(round(seconds / 5) * 5, 5)} seconds"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} minutes"
    return f"{seconds / 3600:.1f} hours"


def size(size_bytes: int) -> str:
    """Say a size the way a person would."""
    value = float(size_bytes)
    for unit in ("bytes", "KB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.2f} GB"


def bar(fraction: float, width: int = 20) -> str:
    """Draw a progress bar of text."""
    full = round(max(0.0, min(fraction, 1.0)) * width)
    return "█" * full + "░" * (width - full)

"""Greedy answers in one wide batch: no padding, a common beginning read once, and no work for rows that have ended.

What all prompts begin with (template, instruction) goes through the model once, and its keys and values are shared. The
rest of the prompts goes through the linear layers side by side, without padding. Then each row says a token at a time;
one that has ended gives up its place. Every row gets the tokens that it would get alone, to the rounding of its precision.

Where it is known what a row should say, that is read along with its prompt. It tells how likely the model finds it, and
spares the model to say token by token what it would have said anyway.

Written for any device; it was never run on a GPU.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from agents.worker.cores import shared_out
from agents.worker.lean_attention import Beginning, Held, Reading
from agents.worker.lean_forward import through
from agents.worker.rows import IGNORED
from agents.worker.shared_beginning import plain, side_by_side

PART_TOKENS = 2048
"""Tokens of prompts that go through the layers together."""
GROWTH_TOKENS = 32
"""Room for further tokens that rows are given at a time: most answers end long before they must."""
GROUPS = 2
"""Parts of a batch that a CPU works on at the same time, each on cores of its own."""
GROUP_ROWS = 16
"""Rows in each of them, at least: every part goes through all weights."""
SCORED_AT_ONCE = 128
"""Positions of prompts and references whose scores are held together."""


@dataclass(frozen=True)
class Asking:
    """How prompts are answered."""

    ends: frozenset[int]
    """Tokens that end an answer."""
    max_new_tokens: int
    beat: Callable[[], None]
    """Called with every token, and with every part of the prompts that was read."""
    references: Sequence[list[int]] | None = None
    """By prompt: tokens of the right answer, none where it is not known; at most `max_new_tokens`."""


class Speaker:
    """A model that is asked prompts which may begin alike."""

    def __init__(self, model: Any, prompts: Sequence[list[int]], asking: Asking) -> None:
        self.model = plain(model)
        self.prompts = prompts
        self.asking = asking
        self.beginning = Beginning()
        self.likely: dict[int, float] = {}
        """Mean log-probability per token of references, by number of the prompt; of those that were read."""

    @torch.inference_mode()
    def say(self, numbers: Sequence[int]) -> Iterator[dict[int, list[int]]]:
        """Yield the tokens of answers, their end included, as they end, by number of the prompt."""
        count = _groups(self.model, len(numbers))
        if not self.beginning.tokens:
            self._begin()
        with shared_out(count) as run:
            groups = [_Group(self, numbers[i::count], PART_TOKENS // count) for i in range(count)]
            while unread := [group for group in groups if group.unread]:
                list(run(_Group.read, unread))
                self.asking.beat()
            while groups:
                self.asking.beat()
                ended = {i: said for group in groups for i, said in group.dismiss().items()}
                if ended:
                    yield ended
                groups = [group for group in groups if group.asked]
                self._say_on(groups, list(run(_Group.step, groups)))

    def own(self, number: int) -> tuple[list[int], list[int]]:
        """Return the tokens of a prompt after the common beginning, and those of its reference."""
        references = self.asking.references
        told = [] if references is None else references[number]
        return self.prompts[number][len(self.beginning.tokens) :], told

    def ended(self, said: Sequence[int]) -> bool:
        """Tell whether an answer ends with its last token."""
        return said[-1] in self.asking.ends or len(said) == self.asking.max_new_tokens

    def _say_on(self, groups: list["_Group"], out: list[Tensor]) -> None:
        """Let each row say the likeliest token; all cores look for it together, for the head is the widest of all layers."""
        if not groups:
            return
        tokens = iter(self.model.get_output_embeddings()(torch.cat(out)).argmax(-1).tolist())
        for group in groups:
            for (_, said), token in zip(group.asked, tokens, strict=False):
                said.append(token)

    def _begin(self) -> None:
        tokens = _common(self.prompts)
        if not tokens:
            return
        held = Held(self.beginning, 1, len(tokens))
        read(self.model, held, range(1), [tokens])
        keys, values = ([part[0] for part in parts] for parts in (held.keys, held.values))
        self.beginning = Beginning(tuple(tokens), keys, values)
        self.asking.beat()


class _Group:
    """Rows that go through the model together."""

    def __init__(self, speaker: Speaker, numbers: Sequence[int], part_tokens: int) -> None:
        self.speaker = speaker
        self.texts = [speaker.own(i) for i in numbers]
        self.unread = _parts([len(prompt) + len(told) for prompt, told in self.texts], part_tokens)
        self.asked: list[tuple[int, list[int]]] = [(i, []) for i in numbers]
        longest = max(len(prompt) + len(told) for prompt, told in self.texts)
        self.held = Held(speaker.beginning, len(numbers), longest + GROWTH_TOKENS)

    @torch.inference_mode()
    def read(self) -> None:
        """Read the next part of the rows with what they should say; each says what it would have said of that, and a token more."""
        part = self.unread.pop(0)
        texts = [self.texts[i] for i in part]
        out, places = read(self.speaker.model, self.held, part, [[*p, *told] for p, told in texts])
        after = [row[len(p) - 1 :] for (p, _), row in zip(texts, places, strict=True)]
        tokens, likely = self._scored(out[torch.cat(after)], [[*told, 0] for _, told in texts])
        at = 0
        for row, (prompt, told) in zip(part, texts, strict=True):
            number, said = self.asked[row]
            for token, right in zip(tokens[at:], [*told, None], strict=False):
                said.append(token)
                if token != right or self.speaker.ended(said):
                    break
            self.held.lengths[row] = len(prompt) + len(said) - 1
            if told:
                self.speaker.likely[number] = float(likely[at : at + len(told)].mean())
            at += len(told) + 1

    def dismiss(self) -> dict[int, list[int]]:
        """Return the answers that have ended, by number of the prompt; their rows give up their places."""
        open_places = [p for p, (_, said) in enumerate(self.asked) if not self.speaker.ended(said)]
        if len(open_places) == len(self.asked):
            return {}
        ended = {i: said for i, said in self.asked if self.speaker.ended(said)}
        places = _closed_up(open_places)
        self.held.keep(places)
        self.asked = [self.asked[place] for place in places]
        return ended

    @torch.inference_mode()
    def step(self) -> Tensor:
        """Read the last token of each row; return what comes out."""
        model, held = self.speaker.model, self.held
        if max(held.lengths) == held.room:
            held.grow(GROWTH_TOKENS)
        look = held.saying(model.device, model.dtype)
        last = torch.tensor([[said[-1]] for _, said in self.asked], device=model.device)
        positions = look.columns[:, None] + len(held.beginning.tokens)
        out = through(model, last, positions, look)[:, 0]
        held.lengths = [length + 1 for length in held.lengths]
        return out

    def _scored(self, hidden: Tensor, told: list[list[int]]) -> tuple[list[int], Tensor]:
        """Return the likeliest token of each position, and the log-probability of the one that is told there."""
        head = self.speaker.model.get_output_embeddings()
        targets = torch.tensor([token for row in told for token in row], device=hidden.device)
        tokens, likely = [], []
        for part, wanted in zip(
            torch.split(hidden, SCORED_AT_ONCE), torch.split(targets, SCORED_AT_ONCE), strict=True
        ):
            scores = head(part).float()
            tokens += scores.argmax(-1).tolist()
            of_wanted = scores.gather(1, wanted[:, None])[:, 0]
            likely.append(of_wanted - scores.logsumexp(-1))
        return tokens, torch.cat(likely)


def read(
    model: Any, held: Held, part: range, rows: Sequence[list[int]]
) -> tuple[Tensor, list[Tensor]]:
    """Read rows after their common beginning; return what comes out, and where in it the tokens of each row lie."""
    batch = side_by_side(rows, [[IGNORED] * len(row) for row in rows]).on(model.device)
    look = Reading(held, batch.layout, part.start)
    positions = batch.position_ids + len(held.beginning.tokens)
    out = through(model, batch.input_ids, positions, look)[0]
    width = max(map(len, rows))
    places = batch.layout.spread.view(len(rows), width)
    return out, [line[: len(row)] for line, row in zip(places, rows, strict=True)]


def _groups(model: Any, rows: int) -> int:
    """Return in how many groups so many rows are answered at the same time."""
    if model.device.type != "cpu":
        return 1
    return max(1, min(GROUPS, torch.get_num_threads(), rows // GROUP_ROWS))


def _common(prompts: Sequence[list[int]]) -> list[int]:
    """Return the first tokens that all prompts share; each keeps at least one of its own."""
    low, high = min(prompts), max(prompts)  # in the order of token ids: all others lie between
    most = min(map(len, prompts)) - 1
    return low[: next((i for i in range(most) if low[i] != high[i]), most)]


def _parts(lengths: Sequence[int], most: int) -> list[range]:
    """Divide rows of such lengths into stretches of at most so many tokens, or of one row."""
    cut = [0]
    tokens = 0
    for place, length in enumerate(lengths):
        if place > cut[-1] and tokens + length > most:
            cut.append(place)
            tokens = 0
        tokens += length
    return [range(start, stop) for start, stop in zip(cut, [*cut[1:], len(lengths)], strict=True)]


def _closed_up(open_places: list[int]) -> list[int]:
    """Return places in an order in which as few rows as possible move: the last ones go where others have left."""
    count = len(open_places)
    staying = [place for place in open_places if place < count]
    coming = iter(open_places[len(staying) :])
    stays = set(staying)
    return [place if place in stays else next(coming) for place in range(count)]

"""Greedy answers in one wide batch: no padding, a common beginning read once, and no work for rows that have ended.

What all prompts begin with (template, instruction) goes through the model once, and its keys and values are shared. The
rest of the prompts goes through the linear layers side by side, without padding. Then each row says a token at a time;
one that has ended gives up its place. Every row gets the tokens that it would get alone, to the rounding of its precision.

Written for any device; it was never run on a GPU.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from agents.worker.rows import IGNORED
from agents.worker.shared_beginning import (
    Layout,
    attending,
    collected,
    padded,
    plain,
    side_by_side,
    through,
)

ATTENTION = "tunewright_answers"
"""Name under which transformers finds `attend`."""
PART_TOKENS = 2048
"""Tokens of prompts that go through the layers together."""
GROWTH_TOKENS = 32
"""Room for further tokens that rows are given at a time: most answers end long before they must."""


@dataclass(frozen=True)
class Asking:
    """How prompts are answered."""

    ends: frozenset[int]
    """Tokens that end an answer."""
    max_new_tokens: int
    beat: Callable[[], None]
    """Called with every token, and with every part of the prompts that was read."""


@dataclass(frozen=True)
class _Beginning:
    """The tokens that all prompts begin with, as they were read: by layer, heads × tokens × width."""

    tokens: tuple[int, ...] = ()
    keys: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)


class _Held:
    """What rows have read and said after their common beginning: keys and values by layer, rows × heads × room × width.

    Column j holds token j of a row. What lies beyond the length of a row is never looked at.
    """

    def __init__(self, beginning: _Beginning, rows: int, room: int) -> None:
        self.beginning = beginning
        self.room = room
        self.lengths = [0] * rows
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []

    def put(self, layer: int, first: int, key: Tensor, value: Tensor) -> None:
        """Keep what rows from the `first` on have read in a layer."""
        if layer == len(self.keys):
            shape = len(self.lengths), key.shape[1], self.room, key.shape[3]
            # zeros: what was never written is multiplied by zero, and must not be a NaN
            self.keys.append(key.new_zeros(shape))
            self.values.append(value.new_zeros(shape))
        rows, columns = slice(first, first + len(key)), slice(0, key.shape[2])
        self.keys[layer][rows, :, columns] = key
        self.values[layer][rows, :, columns] = value

    def grow(self, tokens: int) -> None:
        """Make room for further tokens."""
        for parts in (self.keys, self.values):
            for layer, part in enumerate(parts):
                parts[layer] = pad(part[: len(self.lengths)], (0, 0, 0, tokens))
        self.room += tokens

    def keep(self, places: list[int]) -> None:
        """Keep the rows at these places, in this order, and no others."""
        moved = [(to, come) for to, come in enumerate(places) if to != come]
        if moved:
            to, come = (list(side) for side in zip(*moved, strict=True))
            for part in (*self.keys, *self.values):
                part[to] = part[come]
        self.lengths = [self.lengths[place] for place in places]


class _Look(Protocol):
    """What tokens on their way through the layers may see."""

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float
    ) -> Tensor: ...


@dataclass(frozen=True)
class _Reading:
    """Prompts that lie side by side see the common beginning, and each what stands before it in its row."""

    held: _Held
    layout: Layout
    first: int
    """Place of their first row."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        query, key, value = (padded(part, self.layout) for part in (query, key, value))
        self.held.put(layer, self.first, key, value)
        beginning, mask = self.held.beginning, None
        if beginning.tokens:
            before, width = len(beginning.tokens), key.shape[2]
            key = torch.cat([beginning.keys[layer].expand(len(key), -1, -1, -1), key], 2)
            value = torch.cat([beginning.values[layer].expand(len(value), -1, -1, -1), value], 2)
            everything = torch.ones(width, before + width, dtype=torch.bool, device=key.device)
            mask = everything.tril(before)
        seen = scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=mask,
            is_causal=mask is None,
            scale=scale,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        return collected(seen, self.layout)


@dataclass(frozen=True)
class _Saying:
    """One further token of each row sees the common beginning and its row."""

    held: _Held
    rows: Tensor
    columns: Tensor
    """Where the token of each row stands."""
    width: int
    """Columns that any row looks at."""
    beyond: Tensor
    """-∞ for each row and column that lies beyond the row's token, else 0."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        held, count, heads = self.held, len(self.rows), key.shape[1]
        held.keys[layer][self.rows, :, self.columns] = key[:, :, 0]
        held.values[layer][self.rows, :, self.columns] = value[:, :, 0]
        keys, values = (part[layer][:count, :, : self.width] for part in (held.keys, held.values))
        # the heads that share keys and values lie next to each other
        query = query.reshape(count, heads, -1, query.shape[-1]) * scale
        scores = query @ keys.transpose(2, 3) + self.beyond
        beginning = held.beginning
        if not beginning.tokens:
            return self._weights(scores, query) @ values
        # its keys and values are the same for all rows: a head asks them for all rows at once
        together = query.transpose(0, 1).reshape(heads, -1, query.shape[-1])
        before = together @ beginning.keys[layer].transpose(1, 2)
        before = before.view(heads, count, -1, len(beginning.tokens)).transpose(0, 1)
        weights = self._weights(torch.cat([before, scores], -1), query)
        before, own = weights[..., : len(beginning.tokens)], weights[..., len(beginning.tokens) :]
        together = before.transpose(0, 1).reshape(heads, -1, len(beginning.tokens))
        seen = (together @ beginning.values[layer]).view(heads, count, -1, values.shape[-1])
        out: Tensor = own @ values + seen.transpose(0, 1)
        return out

    def _weights(self, scores: Tensor, query: Tensor) -> Tensor:
        return scores.softmax(-1, dtype=torch.float32).to(query.dtype)


class Speaker:
    """A model that is asked prompts which may begin alike."""

    def __init__(self, model: Any, prompts: Sequence[list[int]], asking: Asking) -> None:
        self.model = plain(model)
        self.prompts = prompts
        self.asking = asking
        self.beginning = _Beginning()

    @torch.inference_mode()
    def say(self, numbers: Sequence[int]) -> Iterator[dict[int, list[int]]]:
        """Yield the tokens of answers, their end included, as they end, by number of the prompt."""
        with attending(self.model, ATTENTION):
            if not self.beginning.tokens:
                self.beginning = self._begin()
            own = [self.prompts[i][len(self.beginning.tokens) :] for i in numbers]
            held = _Held(self.beginning, len(own), max(map(len, own)) + GROWTH_TOKENS)
            last = self._read(held, own)
            asked: list[tuple[int, list[int]]] = [(i, []) for i in numbers]
            while asked:
                tokens = self.model.get_output_embeddings()(last).argmax(-1)
                self.asking.beat()
                for (_, said), token in zip(asked, tokens.tolist(), strict=True):
                    said.append(token)
                open_places = [p for p, (_, said) in enumerate(asked) if not self._ended(said)]
                if len(open_places) < len(asked):
                    yield {i: said for i, said in asked if self._ended(said)}
                    places = _closed_up(open_places)
                    held.keep(places)
                    asked, tokens = [asked[place] for place in places], tokens[places]
                if asked:
                    last = self._step(held, tokens)

    def _ended(self, said: list[int]) -> bool:
        return said[-1] in self.asking.ends or len(said) == self.asking.max_new_tokens

    def _begin(self) -> _Beginning:
        tokens = _common(self.prompts)
        if not tokens:
            return _Beginning()
        held = _Held(_Beginning(), 1, len(tokens))
        self._read(held, [tokens])
        keys, values = ([part[0] for part in parts] for parts in (held.keys, held.values))
        return _Beginning(tuple(tokens), keys, values)

    def _read(self, held: _Held, rows: Sequence[list[int]]) -> Tensor:
        """Read rows after their common beginning; return what comes out at the last token of each."""
        last = []
        for part in _parts(rows):
            lengths = [len(rows[i]) for i in part]
            batch = side_by_side([rows[i] for i in part], [[IGNORED] * count for count in lengths])
            batch = batch.on(self.model.device)
            look = _Reading(held, batch.layout, part.start)
            positions = batch.position_ids + len(held.beginning.tokens)
            out = through(self.model, batch.input_ids, positions, look=look)[0]
            width = max(lengths)
            ends = [row * width + count - 1 for row, count in enumerate(lengths)]
            last.append(out[batch.layout.spread[ends]])
            held.lengths[part.start : part.stop] = lengths
            self.asking.beat()
        return torch.cat(last)

    def _step(self, held: _Held, tokens: Tensor) -> Tensor:
        width = max(held.lengths) + 1
        if width > held.room:
            held.grow(GROWTH_TOKENS)
        device = tokens.device
        columns = torch.tensor(held.lengths, device=device)
        beyond = torch.arange(width, device=device) > columns[:, None]
        look = _Saying(
            held,
            rows=torch.arange(len(columns), device=device),
            columns=columns,
            width=width,
            beyond=torch.zeros(beyond.shape, device=device, dtype=self.model.dtype).masked_fill_(
                beyond, -torch.inf
            )[:, None, None],
        )
        positions = columns[:, None] + len(held.beginning.tokens)
        out = through(self.model, tokens[:, None], positions, look=look)
        held.lengths = [length + 1 for length in held.lengths]
        return out[:, 0]


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    look: _Look | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Return what attention makes of rows that are being answered; of others, what `sdpa` does."""
    if look is None:
        out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
        return out, None
    return look.attend(module.layer_idx, query, key, value, kwargs["scaling"]), None


def _common(prompts: Sequence[list[int]]) -> list[int]:
    """Return the first tokens that all prompts share; each keeps at least one of its own."""
    low, high = min(prompts), max(prompts)  # in the order of token ids: all others lie between
    most = min(map(len, prompts)) - 1
    return low[: next((i for i in range(most) if low[i] != high[i]), most)]


def _parts(rows: Sequence[list[int]]) -> list[range]:
    """Divide rows into stretches of at most `PART_TOKENS` tokens, or of one row."""
    cut = [0]
    tokens = 0
    for place, row in enumerate(rows):
        if place > cut[-1] and tokens + len(row) > PART_TOKENS:
            cut.append(place)
            tokens = 0
        tokens += len(row)
    return [range(start, stop) for start, stop in zip(cut, [*cut[1:], len(rows)], strict=True)]


def _closed_up(open_places: list[int]) -> list[int]:
    """Return places in an order in which as few rows as possible move: the last ones go where others have left."""
    count = len(open_places)
    staying = [place for place in open_places if place < count]
    coming = iter(open_places[len(staying) :])
    stays = set(staying)
    return [place if place in stays else next(coming) for place in range(count)]


AttentionInterface.register(ATTENTION, attend)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)

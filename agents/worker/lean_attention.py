"""What rows that are being answered have read and said, and how the attention of their further tokens looks at it."""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from agents.worker.shared_beginning import Layout, collected, padded


@dataclass(frozen=True)
class Beginning:
    """The tokens that all prompts begin with, as they were read: by layer, heads × tokens × width."""

    tokens: tuple[int, ...] = ()
    keys: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)


class Held:
    """What rows have read and said after their common beginning: keys and values by layer, rows × heads × room × width.

    Column j holds token j of a row. What lies beyond the length of a row is never looked at.
    """

    def __init__(self, beginning: Beginning, rows: int, room: int) -> None:
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

    def saying(self, device: torch.device, dtype: torch.dtype) -> "Saying":
        """Return what a further token of each row may see."""
        width = max(self.lengths) + 1
        columns = torch.tensor(self.lengths, device=device)
        beyond = torch.arange(width, device=device) > columns[:, None]
        nothing = torch.zeros(beyond.shape, device=device, dtype=dtype)
        return Saying(
            self,
            rows=torch.arange(len(columns), device=device),
            columns=columns,
            width=width,
            beyond=nothing.masked_fill_(beyond, -torch.inf)[:, None, None],
        )


@dataclass(frozen=True)
class Reading:
    """Prompts that lie side by side see the common beginning, and each what stands before it in its row."""

    held: Held
    layout: Layout
    first: int
    """Place of their first row."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Return what each token sees, and keep what it is seen by."""
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
class Saying:
    """One further token of each row sees the common beginning and its row."""

    held: Held
    rows: Tensor
    columns: Tensor
    """Where the token of each row stands."""
    width: int
    """Columns that any row looks at."""
    beyond: Tensor
    """-∞ for each row and column that lies beyond the row's token, else 0."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Return what the token of each row sees, and keep what it is seen by."""
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

"""ORPO: learn the preferred answer and move away from the other at once, with trl.experimental's ORPOTrainer."""

from functools import partial
from typing import Any

from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from agents.worker import shaped_rows, unreferenced
from agents.worker.adapter_training import AdapterOnly

read = shaped_rows.read_pairs
encode = shaped_rows.encode_pairs


class AdapterORPO(unreferenced.TakesTokens, AdapterOnly, ORPOTrainer):  # type: ignore[misc]  # TRL ships no types
    """ORPOTrainer that learns answers only and saves the adapter only."""

    def concatenated_forward(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return the model's view of a batch, with the loss of the preferred answers without their prompts.

        The trainer's own would learn the prompts too. In the paper the loss is that of the answer, as it is here.
        """
        chosen, *others, _with_prompts = super().concatenated_forward(*args, **kwargs)
        return chosen, *others, -chosen.mean()


make_trainer = partial(unreferenced.make_trainer, (AdapterORPO, ORPOConfig))

"""CPO: prefer one answer of a pair without a reference model, with trl.experimental's CPOTrainer."""

from functools import partial

from trl.experimental.cpo import CPOConfig, CPOTrainer

from agents.worker import shaped_rows, unreferenced
from agents.worker.adapter_training import AdapterOnly

read = shaped_rows.read_pairs
encode = shaped_rows.encode_pairs


class AdapterCPO(unreferenced.TakesTokens, AdapterOnly, CPOTrainer):  # type: ignore[misc]  # TRL ships no types
    """CPOTrainer that saves the adapter only."""


make_trainer = partial(unreferenced.make_trainer, (AdapterCPO, CPOConfig))

"""A random two-layer Llama, rows, and the jobs that use them: seconds instead of minutes."""

# ruff: noqa: PLC0415  # tests that only write jobs need no torch

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.jobs import (
    EvaluateSpec,
    FileRef,
    JobSpec,
    MeasureSpec,
    ModelRef,
    Spec,
    TrainSpec,
    write_spec,
)
from agents.recipe import OF_METHOD, REWARDED, Method, Metric, Recipe

CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
RECIPE = Recipe(
    model="tiny",
    epochs=1.2,
    batch_size=4,
    learning_rate=2e-2,
    lora_r=8,
    lora_dropout=0.1,
    max_new_tokens=8,
)
STEPS = 12
"""Of a training of `TRAIN_ROWS` rows with `RECIPE`."""
TRAIN_ROWS = 40


def build_model(folder: Path, chat_template: str | None = CHAT_TEMPLATE, **widths: int) -> None:
    """Save the model, always the same one; `widths` replace what its configuration says.

    Imports torch, so it runs where that is allowed.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = Tokenizer(models.BPE())
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    letters.train_from_iterator(
        ["thing colour"],
        trainers.BpeTrainer(
            vocab_size=280, special_tokens=["<|im_start|>", "<|im_end|>"], initial_alphabet=alphabet
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=letters,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
    )
    tokenizer.chat_template = chat_template
    shape: dict[str, int] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 256,
    }
    config = LlamaConfig(
        **(shape | widths),
        bos_token_id=0,
        eos_token_id=1,
        initializer_range=0.2,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def write_rows(path: Path, pairs: list[tuple[str, str]]) -> FileRef:
    """Write rows as intake does, and describe the file."""
    return write_lines(
        path,
        [
            {"prompt": prompt, "completion": completion, "row": number}
            for number, (prompt, completion) in enumerate(pairs, start=2)
        ],
    )


def write_records(path: Path, records: Sequence[dict[str, object]]) -> FileRef:
    """Write rows of any shape, numbered as intake does, and describe the file."""
    return write_lines(path, [{**record, "row": n} for n, record in enumerate(records, start=2)])


def write_lines(path: Path, lines: list[dict[str, Any]]) -> FileRef:
    """Write lines of any shape, and describe the file."""
    raw = "".join(json.dumps(line) + "\n" for line in lines).encode()
    path.write_bytes(raw)
    return FileRef(path=str(path), sha256=hashlib.sha256(raw).hexdigest(), size_bytes=len(raw))


def colours(count: int, answer: str | None = None) -> list[tuple[str, str]]:
    """Return pairs of uneven length; `answer` is the one answer to all of them."""
    return [
        (f"colour of thing {i}{'!' * (7 * i % 11)}", answer or ("red", "green", "blue")[i % 3])
        for i in range(count)
    ]


def shaped(method: Method, count: int) -> list[dict[str, object]]:
    """Return rows that a method can learn from: “yes” is right, “no” is wrong; prompts of uneven length."""
    prompts = [prompt for prompt, _ in colours(count)]
    if method is Method.SFT:
        return [{"prompt": p, "completion": "yes"} for p in prompts]
    if method is Method.KTO:
        return [
            {"prompt": p, "completion": "no" if i % 2 else "yes", "label": not i % 2}
            for i, p in enumerate(prompts)
        ]
    if method in REWARDED:
        return [{"prompt": p, "reference": None} for p in prompts]
    return [{"prompt": p, "chosen": "yes", "rejected": "no"} for p in prompts]


def method_recipe(method: Method, **changes: object) -> Recipe:
    """Return the recipe of a short training by a method."""
    fixed = OF_METHOD.get(method, Metric.EXACT_MATCH)
    of_method: dict[str, object] = {"method": method, "primary_metric": fixed}
    if method in REWARDED:
        of_method |= {"rewards": [{"kind": "regex", "pattern": "[aeiou]"}], "num_generations": 4}
    return Recipe.model_validate(RECIPE.model_dump() | of_method | changes)


def model_ref(folder: Path) -> ModelRef:
    """Name a model folder as the catalogue does."""
    return ModelRef(name="tiny", source=f"folder:{folder}", cache_dir=str(folder.parent / "cache"))


def train_spec(model: Path, root: Path, **changes: object) -> TrainSpec:
    """Describe a training of twelve steps that saves every four and looks at its dev rows as often."""
    root.mkdir(parents=True, exist_ok=True)
    spec = TrainSpec(
        model=model_ref(model),
        train=write_rows(root / "train.jsonl", colours(TRAIN_ROWS)),
        dev=write_rows(root / "dev.jsonl", colours(6)),
        recipe=RECIPE,
        save_steps=4,
        checkpoint_fraction=0.5,
        hold_at_checkpoint=False,
        checkpoints_dir=str(root / "checkpoints"),
        threads=1,
    )
    return TrainSpec.model_validate(spec.model_dump() | changes)


def method_spec(model: Path, root: Path, method: Method, **changes: object) -> TrainSpec:
    """Describe a training by a method, as short as that of `train_spec`."""
    root.mkdir(parents=True, exist_ok=True)
    of_method = {
        "train": write_records(root / "shaped.jsonl", shaped(method, TRAIN_ROWS)),
        "dev": write_records(root / "shaped-dev.jsonl", shaped(method, 6)),
        "recipe": method_recipe(method),
    }
    return train_spec(model, root, **(of_method | changes))


def evaluate_spec(
    model: Path, root: Path, adapter: Path, test: FileRef, **changes: object
) -> EvaluateSpec:
    """Describe an evaluation of an adapter."""
    spec = EvaluateSpec(
        model=model_ref(model), adapter_dir=str(adapter), test=test, recipe=RECIPE, threads=1
    )
    return EvaluateSpec.model_validate(spec.model_dump() | changes)


def measure_spec(model: Path, train: FileRef, recipe: Recipe = RECIPE) -> MeasureSpec:
    """Describe a measurement."""
    return MeasureSpec(model=model_ref(model), train=train, recipe=recipe, threads=1)


def open_job(folder: Path, spec: Spec) -> Path:
    """Write a job folder and return it."""
    write_spec(folder, JobSpec(job_id=folder.name, spec=spec))
    return folder

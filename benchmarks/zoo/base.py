"""The base model of the zoo: a Llama of a few hundred thousand weights that knows the language of the zoo and no task in it.

It is made once for a machine, in about a minute on one core, and lies beside the converted models.
"""

import hashlib
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.zoo import language

CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
OTHER_TEMPLATE = (
    "{% for m in messages %}### {{ m['role'] }}:\n{{ m['content'] }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}### reply:\n{% endif %}"
)
"""Of another family of models; the model has never seen it."""
SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}
VOCABULARY = 800
CORPUS_ROWS = 3000
STEPS = 500
BATCH = 48
RATE = 4e-3
SEED = 7
TOLD_APART_BY = 200
"""Lessons that go into the name of the model's folder: others make another model."""


def folder(cache: Path, steps: int = STEPS) -> Path:
    """Return the folder of the base model, made now where it is not there yet."""
    chance = random.Random(SEED)
    lessons = [language.lesson(chance) for _ in range(TOLD_APART_BY)]
    facts = repr((lessons, CHAT_TEMPLATE, SHAPE, VOCABULARY, BATCH, RATE, steps))
    told = hashlib.sha256(facts.encode()).hexdigest()[:12]
    target = cache / f"zoo-{told}"
    if not target.exists():
        half = cache / f".{target.name}.tmp"
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        build(half, steps)
        half.rename(target)
    return target


def build(target: Path, steps: int) -> None:
    """Train the model from scratch and save it; always the same on one machine."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = _tokenizer()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            bos_token_id=0,
            eos_token_id=1,
            initializer_range=0.1,
            tie_word_embeddings=True,
            **SHAPE,
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for ids in _batches(tokenizer, steps):
        labels = ids.masked_fill(ids == tokenizer.unk_token_id, -100)
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


def _batches(tokenizer: Any, steps: int) -> Iterator[Any]:
    import torch

    chance = random.Random(SEED)
    for _ in range(steps):
        texts = [_chat(*language.lesson(chance)) for _ in range(BATCH)]
        rows = tokenizer(texts, add_special_tokens=False)["input_ids"]
        width = max(map(len, rows))
        padded = [row + [tokenizer.unk_token_id] * (width - len(row)) for row in rows]
        yield torch.tensor(padded)


def _chat(prompt: str, answer: str) -> str:
    return f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>\n"


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    chance = random.Random(SEED)
    tasks = (language.lesson, language.reply, language.record, language.urgency)
    rows = [task(chance) for task in tasks for _ in range(CORPUS_ROWS // len(tasks))]
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    words.train_from_iterator(
        (f" {text}" for row in rows for text in row),
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=["<|im_start|>", "<|im_end|>", "<|unused|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        unk_token="<|unused|>",
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer

"""How to run an export: the texts that lie beside the weights."""

from agents.jobs import ExportFormat, ExportSpec
from agents.recipe import Tuning


def files(spec: ExportSpec, hub_id: str | None) -> dict[str, str]:
    """Return the text files of an export, by name. `hub_id` is the base's name on a model hub, where known."""
    base = hub_id or spec.model.name
    texts = {"README.md": README[spec.format].format(name=spec.name, base=base)}
    if spec.format is ExportFormat.MERGED and spec.tuning is Tuning.LORA:
        texts["README.md"] += UNMERGED.format(base=base)
    if spec.format is ExportFormat.GGUF:
        texts["Modelfile"] = MODELFILE.format(start=f"FROM ./{spec.name}.gguf")
    elif spec.format is ExportFormat.GGUF_ADAPTER:
        start = (
            f"# FROM names a GGUF of the base, {base}\nFROM ./base.gguf\nADAPTER ./{spec.name}.gguf"
        )
        texts["Modelfile"] = MODELFILE.format(start=start)
    return texts


MODELFILE = """{start}
# as it was measured: the likeliest token each time
PARAMETER temperature 0
PARAMETER repeat_penalty 1
"""

UNMERGED = """
Without merging, vLLM takes the adapter itself:

    vllm serve {base} --enable-lora --lora-modules tuned=./the-adapter
"""

README = {
    ExportFormat.MERGED: """# {name}

{base} with its adapter merged in: 16-bit weights as safetensors.

vLLM:

    vllm serve ./{name}

transformers:

    model = transformers.AutoModelForCausalLM.from_pretrained("{name}")
    tokenizer = transformers.AutoTokenizer.from_pretrained("{name}")
""",
    ExportFormat.GGUF: """# {name}

{base} with its adapter merged in, as one GGUF file of 16-bit weights.

llama.cpp:

    llama-server --model {name}.gguf

Ollama:

    ollama create {name} --file Modelfile
    ollama run {name}
""",
    ExportFormat.GGUF_ADAPTER: """# {name}

The adapter alone, as GGUF. It needs a GGUF of {base}; one of 16-bit weights is what it was compared on.

llama.cpp:

    llama-server --model base.gguf --lora {name}.gguf

Ollama:

    ollama create {name} --file Modelfile
""",
}

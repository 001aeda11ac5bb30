"""Writes a tiny random Llama for mlx_lm: `python tiny_mlx.py FOLDER`, in the environment of install_mlx.sh."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mlx.core as mx
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

WIDTH, LAYERS, HEADS, INNER = 64, 2, 4, 128
SPECIAL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {letter: n for n, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.save(str(folder / "tokenizer.json"))
    size = tokenizer.get_vocab_size()
    write(folder / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast", bos_token="<s>",
          eos_token="</s>", chat_template=TEMPLATE)  # fmt: skip
    write(folder / "config.json", architectures=["LlamaForCausalLM"], model_type="llama", hidden_size=WIDTH,
          num_hidden_layers=LAYERS, intermediate_size=INNER, num_attention_heads=HEADS, num_key_value_heads=HEADS,
          rms_norm_eps=1e-5, vocab_size=size, max_position_embeddings=32_768, rope_theta=10_000.0,
          tie_word_embeddings=False, bos_token_id=tokenizer.token_to_id("<s>"),
          eos_token_id=tokenizer.token_to_id("</s>"))  # fmt: skip
    tensors = {"model.embed_tokens.weight": (size, WIDTH), "lm_head.weight": (size, WIDTH), "model.norm.weight": ()}
    for layer in range(LAYERS):
        block = f"model.layers.{layer}."
        tensors |= {f"{block}input_layernorm.weight": (), f"{block}post_attention_layernorm.weight": ()}
        tensors |= {f"{block}self_attn.{name}_proj.weight": (WIDTH, WIDTH) for name in "qkvo"}
        tensors |= {f"{block}mlp.{name}_proj.weight": (INNER, WIDTH) for name in ("gate", "up")}
        tensors |= {f"{block}mlp.down_proj.weight": (WIDTH, INNER)}
    mx.random.seed(0)
    mx.save_safetensors(
        str(folder / "model.safetensors"),
        {name: mx.random.normal(shape) * 0.05 if shape else mx.ones((WIDTH,)) for name, shape in tensors.items()},
    )


def write(file: Path, **values: object) -> None:
    file.write_text(json.dumps(values), encoding="utf-8")


main()

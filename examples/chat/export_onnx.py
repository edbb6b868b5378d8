"""Writes SmolLM2-135M-Instruct as a decoder in ONNX, out of its GGUF file: python export_onnx.py FILE.gguf FOLDER

The folder is what Optimum would write: a graph with the cache among its inputs and outputs, weights in 4 bits (MatMulNBits),
the tokenizer, and the files that describe them. Attention is the operator GroupQueryAttention; --plain writes it in
operators of ONNX alone, with positions as an input. Needs the packages of requirements-onnx.txt.
"""

import argparse
import json
import pathlib

import numpy as np
import onnx
from gguf import GGUFReader
from gguf.quants import dequantize
from onnx import TensorProto, helper, numpy_helper

BLOCK = 32
POSITIONS = 8192


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("gguf")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--plain", action="store_true", help="attention without an operator of its own")
    args = parser.parse_args()
    reader = GGUFReader(args.gguf)
    weights = {t.name: np.asarray(dequantize(t.data, t.tensor_type), np.float32) for t in reader.tensors}
    facts = {name: field.contents() for name, field in reader.fields.items()}
    args.folder.mkdir(parents=True, exist_ok=True)
    # An earlier one would stay in the file: onnx appends.
    (args.folder / "model.onnx.data").unlink(missing_ok=True)
    graph = Decoder(weights, facts, args.plain).model()
    onnx.save(graph, args.folder / "model.onnx", save_as_external_data=True, location="model.onnx.data")
    for name, content in descriptions(facts).items():
        (args.folder / name).write_text(json.dumps(content, ensure_ascii=False))


class Decoder:
    """Llama: normalised by RMS, positions by rotation, grouped heads, a gated inner layer, the table of tokens as its head."""

    def __init__(self, weights: dict, facts: dict, is_plain: bool) -> None:
        of = lambda name: facts[f"llama.{name}"]
        self.weights, self.is_plain = weights, is_plain
        self.layers, self.width, self.inner = of("block_count"), of("embedding_length"), of("feed_forward_length")
        self.heads, self.groups = of("attention.head_count"), of("attention.head_count_kv")
        self.size = self.width // self.heads
        self.epsilon = float(of("attention.layer_norm_rms_epsilon"))
        self.theta = float(of("rope.freq_base"))
        self.vocabulary = weights["token_embd.weight"].shape[0]
        self.nodes: list = []
        self.constants: list = []

    def model(self) -> onnx.ModelProto:
        whole = lambda name, length: helper.make_tensor_value_info(name, TensorProto.INT64, ["batch_size", length])
        inputs = [whole("input_ids", "sequence_length"), whole("attention_mask", "total_sequence_length")]
        if self.is_plain:
            inputs.append(whole("position_ids", "sequence_length"))
        outputs = [
            helper.make_tensor_value_info(
                "logits", TensorProto.FLOAT, ["batch_size", "sequence_length", self.vocabulary]
            )
        ]
        for layer in range(self.layers):
            for side in ("key", "value"):
                shape = lambda length: ["batch_size", self.groups, length, self.size]
                past, present = f"past_key_values.{layer}.{side}", f"present.{layer}.{side}"
                inputs.append(helper.make_tensor_value_info(past, TensorProto.FLOAT, shape("past_sequence_length")))
                outputs.append(helper.make_tensor_value_info(present, TensorProto.FLOAT, shape("total_sequence_length")))
        self.body()
        graph = helper.make_graph(self.nodes, "decoder", inputs, outputs, self.constants)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="skerry-example")

    def body(self) -> None:
        turns = np.outer(np.arange(POSITIONS), self.theta ** (-np.arange(0, self.size, 2) / self.size))
        self.constant("cos", np.cos(turns).astype(np.float32))
        self.constant("sin", np.sin(turns).astype(np.float32))
        self.constant("one", np.array(1, np.int64))
        self.constant("axis_1", np.array([1], np.int64))
        # Half the bytes in 16 bits; each token needs one row of it.
        self.constant("table", self.weights["token_embd.weight"].astype(np.float16))
        self.node("Gather", ["table", "input_ids"], "row16")
        self.node("Cast", ["row16"], "x", to=TensorProto.FLOAT)
        self.node("Shape", ["attention_mask"], "mask_shape")
        self.node("Gather", ["mask_shape", "one"], "total")
        if self.is_plain:
            self.mask_and_turns()
        else:
            self.node("ReduceSum", ["attention_mask", "axis_1"], "lengths", keepdims=0)
            self.node("Sub", ["lengths", "one"], "last")
            self.node("Cast", ["last"], "last32", to=TensorProto.INT32)
            self.node("Cast", ["total"], "total32", to=TensorProto.INT32)
        x = "x"
        for layer in range(self.layers):
            x = self.layer(layer, x)
        normed = self.normed(x, "output_norm", "normed")
        self.linear(normed, self.weights["token_embd.weight"], "head", "logits")

    def layer(self, layer: int, x: str) -> str:
        block, name = f"blk.{layer}.", f"l{layer}_"
        of = lambda part: self.weights[f"{block}{part}.weight"]
        h = self.normed(x, f"{block}attn_norm", name + "h")
        # GGUF has the rotated halves of each head interleaved.
        self.linear(h, halves(of("attn_q"), self.heads), name + "wq", name + "q")
        self.linear(h, halves(of("attn_k"), self.groups), name + "wk", name + "k")
        self.linear(h, of("attn_v"), name + "wv", name + "v")
        (self.plain_attention if self.is_plain else self.attention)(layer, name)
        self.linear(name + "attended", of("attn_output"), name + "wo", name + "added")
        self.node("Add", [x, name + "added"], name + "y")
        h = self.normed(name + "y", f"{block}ffn_norm", name + "g")
        self.linear(h, of("ffn_gate"), name + "wg", name + "gate")
        self.linear(h, of("ffn_up"), name + "wu", name + "up")
        self.node("Sigmoid", [name + "gate"], name + "share")
        self.node("Mul", [name + "gate", name + "share"], name + "open")
        self.node("Mul", [name + "open", name + "up"], name + "inner")
        self.linear(name + "inner", of("ffn_down"), name + "wd", name + "down")
        self.node("Add", [name + "y", name + "down"], name + "x")
        return name + "x"

    def attention(self, layer: int, name: str) -> None:
        past = [f"past_key_values.{layer}.{side}" for side in ("key", "value")]
        present = [f"present.{layer}.{side}" for side in ("key", "value")]
        parts = [name + "q", name + "k", name + "v", *past, "last32", "total32", "cos", "sin"]
        attributes = dict(num_heads=self.heads, kv_num_heads=self.groups, do_rotary=1, rotary_interleaved=0)
        self.node("GroupQueryAttention", parts, [name + "attended", *present], domain="com.microsoft", **attributes)

    def mask_and_turns(self) -> None:
        for name, values in {"zero": 0, "far": -1e9, "scale": self.size**-0.5}.items():
            self.constant(name, np.array(values, np.float32))
        for name, values in {
            "first": 0, "axis_2": [2], "axis_last": [-1], "begin": [0], "middle": [self.size // 2], "end": [2**62],
            "split_q": [0, 0, self.heads, self.size], "split_k": [0, 0, self.groups, self.size],
            "merged": [0, 0, self.width], "repeated": [1, 1, self.heads // self.groups, 1, 1],
            "all_heads": [0, self.heads, -1, self.size],
        }.items():  # fmt: skip
            self.constant(name, np.array(values, np.int64))
        for turn in ("cos", "sin"):
            self.node("Gather", [turn, "position_ids"], turn + "_rows")
            self.node("Unsqueeze", [turn + "_rows", "axis_1"], turn + "_heads")
        self.node("Shape", ["input_ids"], "ids_shape")
        self.node("Gather", ["ids_shape", "one"], "count")
        self.node("Sub", ["total", "count"], "before")
        self.node("Range", ["first", "total", "one"], "keys")
        self.node("Range", ["before", "total", "one"], "queries")
        self.node("Unsqueeze", ["queries", "axis_1"], "queries_column")
        self.node("LessOrEqual", ["keys", "queries_column"], "causal")
        self.node("Cast", ["attention_mask"], "held", to=TensorProto.BOOL)
        self.node("Unsqueeze", ["held", "axis_1"], "held_rows")
        self.node("And", ["causal", "held_rows"], "seen")
        self.node("Unsqueeze", ["seen", "axis_1"], "seen_heads")
        self.node("Where", ["seen_heads", "zero", "far"], "bias")

    def plain_attention(self, layer: int, name: str) -> None:
        for part, split in (("q", "split_q"), ("k", "split_k"), ("v", "split_k")):
            self.node("Reshape", [name + part, split], f"{name}{part}4")
            self.node("Transpose", [f"{name}{part}4"], f"{name}{part}_heads", perm=[0, 2, 1, 3])
        for part in ("q", "k"):
            self.turned(f"{name}{part}_heads", f"{name}{part}_turned")
        present = [f"present.{layer}.{side}" for side in ("key", "value")]
        self.node("Concat", [f"past_key_values.{layer}.key", name + "k_turned"], present[0], axis=2)
        self.node("Concat", [f"past_key_values.{layer}.value", name + "v_heads"], present[1], axis=2)
        for part, repeated in zip(present, (name + "keys", name + "values")):
            self.node("Unsqueeze", [part, "axis_2"], repeated + "5")
            self.node("Tile", [repeated + "5", "repeated"], repeated + "_tiled")
            self.node("Reshape", [repeated + "_tiled", "all_heads"], repeated)
        self.node("Transpose", [name + "keys"], name + "keys_turned", perm=[0, 1, 3, 2])
        self.node("MatMul", [name + "q_turned", name + "keys_turned"], name + "products")
        self.node("Mul", [name + "products", "scale"], name + "scaled")
        self.node("Add", [name + "scaled", "bias"], name + "biased")
        self.node("Softmax", [name + "biased"], name + "shares", axis=-1)
        self.node("MatMul", [name + "shares", name + "values"], name + "mixed")
        self.node("Transpose", [name + "mixed"], name + "mixed_rows", perm=[0, 2, 1, 3])
        self.node("Reshape", [name + "mixed_rows", "merged"], name + "attended")

    def turned(self, x: str, to: str) -> None:
        self.node("Slice", [x, "begin", "middle", "axis_last"], to + "_a")
        self.node("Slice", [x, "middle", "end", "axis_last"], to + "_b")
        for half, turn in (("a", "cos"), ("b", "sin"), ("b", "cos"), ("a", "sin")):
            self.node("Mul", [f"{to}_{half}", turn + "_heads"], f"{to}_{half}_{turn}")
        self.node("Sub", [to + "_a_cos", to + "_b_sin"], to + "_first")
        self.node("Add", [to + "_b_cos", to + "_a_sin"], to + "_second")
        self.node("Concat", [to + "_first", to + "_second"], to, axis=-1)

    def normed(self, x: str, weight: str, to: str) -> str:
        self.constant(to + "_scale", self.weights[weight + ".weight"])
        attributes = dict(axis=-1, epsilon=self.epsilon, stash_type=1)
        self.node("SimplifiedLayerNormalization", [x, to + "_scale"], to, **attributes)
        return to

    def linear(self, x: str, weight: np.ndarray, name: str, to: str) -> None:
        """`weight` is [out, in]; each block of 32 numbers of a row has a scale and a zero of its own."""
        out, size = weight.shape
        blocks = weight.reshape(out, size // BLOCK, BLOCK)
        low, high = np.minimum(blocks.min(-1), 0), np.maximum(blocks.max(-1), 0)
        scale = np.maximum((high - low) / 15, 1e-10).astype(np.float32)
        zero = np.clip(np.rint(-low / scale), 0, 15).astype(np.uint8)
        packed = np.clip(np.rint(blocks / scale[..., None]) + zero[..., None], 0, 15).astype(np.uint8)
        self.constant(name, packed[..., 0::2] | packed[..., 1::2] << 4)
        self.constant(name + "_scale", scale.reshape(-1))
        if zero.shape[1] % 2:
            zero = np.pad(zero, ((0, 0), (0, 1)))
        self.constant(name + "_zero", (zero[:, 0::2] | zero[:, 1::2] << 4).reshape(-1))
        attributes = dict(K=size, N=out, bits=4, block_size=BLOCK, accuracy_level=4)
        self.node("MatMulNBits", [x, name, name + "_scale", name + "_zero"], to, domain="com.microsoft", **attributes)

    def node(self, operator: str, inputs: list, to, /, domain: str = "", **attributes) -> None:
        outputs = [to] if isinstance(to, str) else to
        self.nodes.append(helper.make_node(operator, inputs, outputs, domain=domain, **attributes))

    def constant(self, name: str, values: np.ndarray) -> None:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))


def halves(weight: np.ndarray, heads: int) -> np.ndarray:
    out, size = weight.shape
    return weight.reshape(heads, out // heads // 2, 2, size).swapaxes(1, 2).reshape(out, size)


def descriptions(facts: dict) -> dict:
    of = lambda name: facts[f"llama.{name}"]
    words = lambda name: facts[f"tokenizer.{name}"]
    tokens, types = words("ggml.tokens"), words("ggml.token_type")
    named = lambda kind: tokens[words(f"ggml.{kind}_token_id")]
    special = [
        dict(id=i, content=tokens[i], single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
        for i, kind in enumerate(types)
        if kind == 3
    ]
    level = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True)
    pieces = [dict(type="Digits", individual_digits=True), level]
    bpe = dict(
        type="BPE", dropout=None, unk_token=None, continuing_subword_prefix=None, end_of_word_suffix=None, fuse_unk=False,
        byte_fallback=False, ignore_merges=False, vocab={t: i for i, t in enumerate(tokens)}, merges=words("ggml.merges"),
    )  # fmt: skip
    end = words("ggml.eos_token_id")
    return {
        "config.json": dict(
            model_type="llama", vocab_size=len(tokens), num_hidden_layers=of("block_count"),
            hidden_size=of("embedding_length"), num_attention_heads=of("attention.head_count"),
            num_key_value_heads=of("attention.head_count_kv"), max_position_embeddings=of("context_length"),
            rope_theta=float(of("rope.freq_base")), tie_word_embeddings=True, eos_token_id=end,
        ),
        "generation_config.json": dict(eos_token_id=end),
        "tokenizer.json": dict(
            version="1.0", truncation=None, padding=None, added_tokens=special, normalizer=None,
            pre_tokenizer=dict(type="Sequence", pretokenizers=pieces), post_processor=None, decoder=level, model=bpe,
        ),
        "tokenizer_config.json": dict(
            bos_token=named("bos"), eos_token=named("eos"), model_max_length=of("context_length"),
            chat_template=words("chat_template"),
        ),
    }  # fmt: skip


if __name__ == "__main__":
    main()

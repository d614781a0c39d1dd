#!/usr/bin/env python3
"""Writes the embedding model as Throughline runs it, out of the published one: export-resnet34.py IN.onnx OUT.onnx SPEECH

Two steps:

1. The graph. The published one turns one run of speech into one vector. Ours computes the frames of a longer stretch once and pools them
   under as many masks as there are pieces in it. Weights are the same numbers. OUT.onnx.float is this.
2. Eight bits. All convolutions but the first run on 8-bit numbers, in ranges that are read off the recordings in the folder SPEECH
   (calibration.txt says which ones these were for the file in this folder). Weights have 7 bits, so that a sum of products never leaves
   the 16 bits that CPUs without VNNI have for it: every CPU finds the same.

Needs ffmpeg, and: pip install onnx==1.23.2 onnxruntime==1.32.0 kaldi-native-fbank==1.23.0 numpy sympy
"""
import pathlib
import subprocess
import sys
import tempfile

import kaldi_native_fbank as knf
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

FRAMES = "/resnet/layer4/layer4.2/Relu_1_output_0"  # [1, 256 channels, 10 bands, frames / 8]
VALUES = 2560
POOLED = 8  # frames of fbank that are pooled as one
LONGEST = 500  # frames of each recording that ranges are read off, 5 s; shorter ones are left out
PERCENTILE = 99.995  # of what is seen; what is beyond is cut off


def folded(path):
    """The graph with its constants folded: the published one keeps its weights as products."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = path + ".folded"
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return onnx.load(path + ".folded")


def load(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def write_graph(source, target):
    """Step 1."""
    model = folded(source)
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    last = graph.node[-1]
    assert last.op_type == "Gemm", last.op_type
    kept, wanted = [], {FRAMES}
    for node in reversed(graph.node):
        if wanted & set(node.output):
            kept.append(node)
            wanted |= set(node.input)
    constants = {
        "flat": np.array([VALUES, -1], np.int64),
        "bands": np.array([1], np.int64),
        "one": np.array(1.0, np.float32),
        "nothing": np.array(0.0, np.float32),
        "little": np.array(1e-8, np.float32),
    }
    pooling = [
        # frames as columns: [2560, frames]
        ("Reshape", [FRAMES, "flat"], ["columns"], {}),
        ("Transpose", ["columns"], ["rows"], {"perm": [1, 0]}),
        ("Mul", ["rows", "rows"], ["squares"], {}),
        ("ReduceSum", ["masks", "bands"], ["weight"], {"keepdims": 1}),
        ("Mul", ["masks", "masks"], ["masks_squared"], {}),
        ("ReduceSum", ["masks_squared", "bands"], ["weight_squared"], {"keepdims": 1}),
        ("MatMul", ["masks", "rows"], ["sum"], {}),
        ("Div", ["sum", "weight"], ["mean"], {}),
        ("MatMul", ["masks", "squares"], ["sum_of_squares"], {}),
        ("Mul", ["sum", "mean"], ["squared_sum"], {}),
        ("Sub", ["sum_of_squares", "squared_sum"], ["scatter"], {}),
        ("Max", ["scatter", "nothing"], ["scatter_or_none"], {}),
        # unbiased: sum of weights less sum of squares over sum
        ("Div", ["weight_squared", "weight"], ["lost"], {}),
        ("Sub", ["weight", "lost"], ["freedom"], {}),
        ("Max", ["freedom", "little"], ["freedom_or_little"], {}),
        ("Div", ["scatter_or_none", "freedom_or_little"], ["variance"], {}),
        ("Sqrt", ["variance"], ["deviation"], {}),
        ("Concat", ["mean", "deviation"], ["statistics"], {"axis": 1}),
        ("Gemm", ["statistics", last.input[1], last.input[2]], ["embeddings"], {"transB": 1}),
    ]
    nodes = kept[::-1] + [helper.make_node(op, i, o, **attributes) for op, i, o, attributes in pooling]
    used = {name for node in nodes for name in node.input}
    initializers = [weights[name] for name in weights if name in used]
    initializers += [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used]
    out = helper.make_graph(
        nodes,
        "resnet34-lm",
        [
            helper.make_tensor_value_info("fbank", TensorProto.FLOAT, [1, "frames", 80]),
            helper.make_tensor_value_info("masks", TensorProto.FLOAT, ["pieces", "pooled_frames"]),
        ],
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["pieces", 256])],
        initializer=initializers,
    )
    written = helper.make_model(out, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="")
    onnx.checker.check_model(written)
    onnx.save(written, target)


def compare_graphs(source, target):
    """Both graphs agree on a run of speech alone, mask of ones."""
    draw = np.random.default_rng(1)
    features = draw.standard_normal((1, 296, 80)).astype(np.float32)
    published = load(source).run(None, {"fbank": features, "weights": np.ones((1, 296), np.float32)})[0]
    ours = load(target).run(None, {"fbank": features, "masks": np.ones((2, 37), np.float32)})[0]
    print("largest difference", np.abs(ours - published).max(), "of values up to", np.abs(published).max())


def filter_banks(path):
    """Kaldi's, Hamming window, samples in the range of 16-bit numbers, less their mean."""
    decode = ["ffmpeg", "-v", "error", "-i", path, "-ar", "16000", "-ac", "1", "-f", "f32le", "-"]
    samples = np.frombuffer(subprocess.run(decode, capture_output=True, check=True).stdout, np.float32)
    options = knf.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.samp_freq = 16000
    options.frame_opts.window_type = "hamming"
    options.mel_opts.num_bins = 80
    computer = knf.OnlineFbank(options)
    computer.accept_waveform(16000, samples * 32768)
    computer.input_finished()
    frames = np.stack([computer.get_frame(i) for i in range(computer.num_frames_ready)])
    return (frames - frames.mean(0)).astype(np.float32)


def stretches(folder):
    """Inputs of the model: one stretch out of each recording."""
    all_frames = [filter_banks(path)[:LONGEST] for path in sorted(pathlib.Path(folder).iterdir())]
    masks = np.ones((1, -(-LONGEST // POOLED)), np.float32)
    return [{"fbank": frames[None], "masks": masks} for frames in all_frames if len(frames) == LONGEST]


class Speech(quantization.CalibrationDataReader):
    """Hands out inputs one by one."""

    def __init__(self, inputs):
        self.inputs = iter(inputs)

    def get_next(self):
        return next(self.inputs, None)


def quantise(source, target, inputs):
    """Step 2."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = f"{folder}/prepared.onnx"
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        model = onnx.load(prepared)
        convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
        for index, node in enumerate(convolutions):
            node.name = f"conv{index}"
        onnx.save(model, prepared)
        quantization.quantize_static(
            prepared,
            target,
            Speech(inputs),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=["conv0"],
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": PERCENTILE},
        )


def compare_precisions(exact, target, inputs):
    """How alike the vectors of both are."""
    exact, target = load(exact), load(target)
    unit = lambda vector: vector / np.linalg.norm(vector)
    run = lambda model, one: unit(model.run(None, one)[0][0])
    cosines = [run(exact, one) @ run(target, one) for one in inputs]
    print("cosines to 32 bits: mean", np.mean(cosines), "least", np.min(cosines))


def main(source, target, speech):
    exact = target + ".float"
    write_graph(source, exact)
    compare_graphs(source, exact)
    inputs = stretches(speech)
    quantise(exact, target, inputs)
    compare_precisions(exact, target, inputs)


if __name__ == "__main__":
    main(*sys.argv[1:])

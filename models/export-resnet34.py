#!/usr/bin/env python3
"""Writes the embedding model's graph as Throughline runs it, out of the published one: export-resnet34.py IN.onnx OUT.onnx

The published graph turns one run of speech into one vector. Ours computes the frames of a longer stretch once and pools them under as
many masks as there are pieces in it. Weights are the same numbers. Needs: pip install onnx onnxruntime numpy
"""
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FRAMES = "/resnet/layer4/layer4.2/Relu_1_output_0"  # [1, 256 channels, 10 bands, frames / 8]
VALUES = 2560


def folded(path):
    """The graph with its constants folded: the published one keeps its weights as products."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = path + ".folded"
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return onnx.load(path + ".folded")


def main(source, target):
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
    compare(source, target)


def compare(source, target):
    """Both graphs agree on a run of speech alone, mask of ones."""
    draw = np.random.default_rng(1)
    features = draw.standard_normal((1, 296, 80)).astype(np.float32)
    load = lambda path: onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    published = load(source).run(None, {"fbank": features, "weights": np.ones((1, 296), np.float32)})[0]
    ours = load(target).run(None, {"fbank": features, "masks": np.ones((2, 37), np.float32)})[0]
    print("largest difference", np.abs(ours - published).max(), "of values up to", np.abs(published).max())


if __name__ == "__main__":
    main(*sys.argv[1:])

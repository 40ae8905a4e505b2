"""Our ONNX files: onnx.checker, ONNX Runtime and OpenVINO against our own program, on a picture: a model of each family, every
kind of outputs, both ways to sample maps, and float16.
"""

import numpy
import onnx
import onnxruntime
import openvino

from peers import LIMIT, MODELS, PICTURE, Image, compare, our_detections, picture_as_input, rtdetr, trained

FLOAT16_LIMIT = 2e-2  # of the best detections of a model that has learnt a little
SIZE = Image.open(PICTURE).size
FORMS = {
    "official": ("outputs=official",),
    "official, GridSample": ("outputs=official", "grid_sample=true"),
    "raw": ("outputs=raw",),
    "raw, GridSample": ("outputs=raw", "grid_sample=true"),
    "ultralytics": ("outputs=ultralytics",),
    "official, fp16": ("outputs=official", "dtype=fp16"),
    "raw, fp16, GridSample": ("outputs=raw", "dtype=fp16", "grid_sample=true"),
}


def corners(boxes):
    """Pixels of the picture, from cx, cy, w, h as fractions."""
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    return numpy.concatenate([centre - half, centre + half], 1) * numpy.array([*SIZE, *SIZE])


def detections(found):
    """(scores, labels, boxes as xyxy in pixels), best first, of any kind of outputs by name."""
    if "scores" in found:
        return [found[part][0] for part in ("scores", "labels", "boxes")]
    if "output0" in found:
        table = found["output0"][0]
        return table[:, 4], table[:, 5], corners(table[:, :4])
    scores = 1 / (1 + numpy.exp(-found["logits"][0].astype(numpy.float64)))
    best = numpy.argsort(-scores, axis=None)[:300]
    queries, labels = numpy.divmod(best, scores.shape[1])
    return scores.ravel()[best], labels, corners(found["pred_boxes"][0])[queries]


def through_onnxruntime(inputs):
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {entry.name: inputs[entry.name] for entry in session.get_inputs()})))


def through_openvino(inputs):
    engine = openvino.compile_model("model.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = engine({entry: inputs[(entry.names & inputs.keys()).pop()] for entry in engine.inputs})
    return {name: found[output] for output in engine.outputs for name in output.names}  # a value may have several


for name in ("hf_v1_basic", "hf_v2_bottleneck", "ultralytics_rtdetr-tiny_stripped"):
    model = trained(MODELS / f"{name}.yaml")
    inputs = {"images": picture_as_input().numpy(), "orig_target_sizes": numpy.array([SIZE], numpy.int64)}
    ours = our_detections(model)
    for form, words in FORMS.items():
        rtdetr("export", f"model={model}", "format=onnx", "output=model.onnx", *words)
        onnx.checker.check_model("model.onnx", full_check=True)
        limit = FLOAT16_LIMIT if "dtype=fp16" in words else LIMIT
        for engine, run in (("ONNX Runtime", through_onnxruntime), ("OpenVINO", through_openvino)):
            compare(f"{name}, {form}: ours -> {engine}", ours, detections(run(inputs)), limit)

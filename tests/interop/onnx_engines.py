"""Our ONNX files: onnx.checker, ONNX Runtime and OpenVINO against our own program, on a picture."""

import numpy
import onnx
import onnxruntime
import openvino

from peers import MODELS, PICTURE, Image, compare, our_detections, picture_as_input, rtdetr, trained

PARTS = ["scores", "labels", "boxes"]

for name in ("hf_v1_basic", "hf_v2_bottleneck", "ultralytics_rtdetr-tiny_stripped"):
    model = trained(MODELS / f"{name}.yaml")
    rtdetr("export", f"model={model}", "format=onnx", "output=model.onnx")
    onnx.checker.check_model("model.onnx", full_check=True)
    inputs = {"images": picture_as_input().numpy(), "orig_target_sizes": numpy.array([Image.open(PICTURE).size], numpy.int64)}
    ours = our_detections(model)
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    compare(f"{name}: ours -> ONNX Runtime", ours, [part[0] for part in session.run(PARTS, inputs)])
    engine = openvino.compile_model("model.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = engine(inputs)
    compare(f"{name}: ours -> OpenVINO", ours, [found[part][0] for part in PARTS])

"""Ultralytics' YOLOv8: weights in the file that their program saves, read here; what every cell predicts, and what their predictor and
ours find in a picture: letterbox, suppression and the way back to its pixels included."""

import numpy
import onnxruntime
import torch
from safetensors.torch import load_file
from ultralytics import YOLO
from ultralytics.nn.tasks import DetectionModel

from peers import LIMIT, PICTURE, compare, our_detections, picture_as_input, rtdetr, sys, trained

CLASSES = ["one", "two", "three"]
SIZES = (256, 256), (192, 320)
SPREAD, PRIOR = 4, -8  # of class logits: cells score differently
CONF, IOU = 0.001, 0.7  # of their predictor; ours takes its overlap from the model file, which has theirs


def untrained():
    """A model whose norms have a picture's statistics, as maps of untrained SiLU networks fade out otherwise, rounded as its
    file will be."""
    torch.manual_seed(0)
    yolo = YOLO("yolov8n.yaml")
    yolo.model = DetectionModel("yolov8n.yaml", nc=len(CLASSES), verbose=False)
    yolo.model.names = dict(enumerate(CLASSES))
    for module in yolo.model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the mean of all passes
            module.reset_running_stats()
    with torch.no_grad():
        for size in SIZES:
            yolo.model.train()(torch.cat([picture_as_input(*size), picture_as_input(*size).flip(3)]))
        for name, weight in yolo.model.named_parameters():
            if ".cv3." in name and name.endswith(".2.weight"):
                weight *= SPREAD
            if ".cv3." in name and name.endswith(".2.bias"):
                weight.fill_(PRIOR)
    yolo.model.half().float()
    return yolo


def check_cells(name, theirs, images):
    """Every cell's box, in fractions of the input, and scores, through a file of ours."""
    height, width = images.shape[2:]
    session = onnxruntime.InferenceSession(name, providers=["CPUExecutionProvider"])
    ours = session.run(["output0"], {"images": images.numpy()})[0]
    with torch.no_grad():
        expected = theirs.model.eval()(images)[0].numpy()
    apart = numpy.abs(ours - expected)[0]
    apart[:4] /= numpy.array([width, height, width, height])[:, None]
    print(f"{name}, {height}x{width}: {apart.shape[1]} cells, scores from {expected[0, 4:].min():.3f} to {expected[0, 4:].max():.3f}, "
          f"largest difference of a score {apart[4:].max():.1e}, of a box {apart[:4].max():.1e}")
    if ours.shape != expected.shape or not apart.max() <= LIMIT:
        sys.exit(f"{name}: more than {LIMIT}")


theirs = untrained()
theirs.save("theirs.pt")
print(rtdetr("convert", "weights=theirs.pt", "output=converted.safetensors"))
export = ("export", "model=converted.safetensors", "format=onnx", "outputs=ultralytics")
rtdetr(*export, "output=fixed.onnx", "imgsz=256")
rtdetr(*export, "output=free.onnx", "imgsz=256", "dynamic=true")
check_cells("fixed.onnx", theirs, picture_as_input(256, 256))
for size in SIZES:
    check_cells("free.onnx", theirs, picture_as_input(*size))

# What cells predict that have learnt nothing is no detection: their predictor and ours are compared with a model that has.
learnt = YOLO("yolov8n.yaml")
learnt.model = DetectionModel("yolov8n.yaml", nc=len(CLASSES), verbose=False)
learnt.model.names = dict(enumerate(CLASSES))
learnt.model.float().load_state_dict(load_file(trained("yolov8n", "one_to_many=0", "clip_norm=10")))
learnt.save("learnt.pt")
rtdetr("convert", "weights=learnt.pt", "output=learnt.safetensors")
found = YOLO("learnt.pt").predict(str(PICTURE), imgsz=160, conf=CONF, iou=IOU, max_det=300, rect=False, verbose=False)[0].boxes
ours = [part[:len(found)] for part in our_detections("learnt.safetensors", "imgsz=160")]
found = found.conf, found.cls, found.xyxy
compare("Ultralytics' predictor has what ours finds", found, ours)
compare("ours has what Ultralytics' predictor finds", ours, found)

"""Ultralytics' RT-DETR: weights in the file that their program saves, read here; detections on a picture."""

from safetensors.torch import load_file
from ultralytics import RTDETR

from peers import MODELS, PICTURE, compare, our_detections, rtdetr, trained

NAME = "ultralytics_rtdetr-tiny_stripped"

weights = load_file(trained(MODELS / f"{NAME}.yaml"))
theirs = RTDETR(str(MODELS / f"{NAME}.pt"))
theirs.model.float().load_state_dict(weights)
theirs.save("theirs.pt")
found = RTDETR("theirs.pt").predict(str(PICTURE), imgsz=160, conf=1e-4, verbose=False)[0].boxes
rtdetr("convert", "weights=theirs.pt", "output=converted.safetensors")
ours = our_detections("converted.safetensors", "imgsz=160", "resample=opencv")
compare("Ultralytics -> ours", ours, (found.conf, found.cls, found.xyxy))

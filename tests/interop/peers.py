"""What the comparisons share: our program, a trained model, detections side by side."""

import json
import pathlib
import subprocess
import sys

import numpy
import torch
from PIL import Image

REPO = pathlib.Path(__file__).resolve().parents[2]
PICTURE = sorted((REPO / "data/samples/bccd").rglob("*.jpg"))[0]
MODELS = REPO / "tests/fixtures/interop"
BEST = 20  # detections that are compared
LIMIT = 1e-4  # of a score, and of a side of the picture


def rtdetr(*words):
    """Runs our program; its stdout. Ends the comparison with its message where it fails."""
    done = subprocess.run([sys.argv[1], *words], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"rtdetr {' '.join(words)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def trained(yaml, *words):
    """A model that has learnt enough for its scores to differ, from a YAML file of ours: its best.safetensors."""
    name = pathlib.Path(yaml).stem
    rtdetr("train", "cfg=demo", f"model={yaml}", "data=bccd", "imgsz=160", "time=0", "epochs=8",
           "workers=0", "seed=0", "threads=1", "project=runs", f"name={name}", "exist_ok=true", *words)
    return f"runs/{name}/best.safetensors"


def picture_as_input(height=160, width=160):
    """The picture as the official code brings it to the input size. [1, 3, H, W] in 0…1"""
    small = Image.open(PICTURE).convert("RGB").resize((width, height), Image.BILINEAR)
    return torch.from_numpy(numpy.asarray(small).copy()).permute(2, 0, 1)[None].float() / 255


def our_detections(model, *words):
    """(scores, labels, boxes as xyxy in pixels) of `rtdetr predict`."""
    rtdetr("predict", f"model={model}", f"source={PICTURE}", "conf=0", "save=false", "save_json=true", "name=ours",
           "exist_ok=true", "project=runs", *words)
    found = json.loads(pathlib.Path("runs/ours/detections.json").read_text())[0]["detections"]
    return [d["score"] for d in found], [d["class"] for d in found], [d["box"] for d in found]


def compare(what, ours, theirs, limit=LIMIT):
    """Each of their best detections, which come first, has one of ours: prints the largest differences, ends with 1 where they are too large."""
    scores, labels, boxes = (numpy.asarray(part, dtype=numpy.float64) for part in ours)
    size = Image.open(PICTURE).size
    side = max(size)
    worst_score = worst_box = 0.0
    if len(theirs[0]) == 0:
        sys.exit(f"{what}: the other program finds nothing, so nothing was compared")
    for score, label, box in zip(*(part[:BEST] for part in theirs)):
        score_distance = numpy.where(labels == int(label), numpy.abs(scores - float(score)), numpy.inf)
        inside = numpy.clip(numpy.asarray(box, dtype=numpy.float64), 0, [*size, *size])  # as ours are
        box_distance = numpy.abs(boxes - inside).max(1) / side
        nearest = numpy.argmin(numpy.maximum(score_distance, box_distance))
        worst_score = max(worst_score, score_distance[nearest])
        worst_box = max(worst_box, box_distance[nearest])
    print(f"{what}: {min(BEST, len(theirs[0]))} detections, largest difference of a score {worst_score:.1e}, of a box {worst_box:.1e}")
    if max(worst_score, worst_box) > limit:
        sys.exit(f"{what}: more than {limit}")

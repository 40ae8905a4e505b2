#!/usr/bin/env python3
"""Our non-maximum suppression beside torchvision's and OpenCV's: the same boxes, scores and thresholds, one thread.

usage: nms_peers.py [--build build/release] [--rounds 15]

Needs torch, torchvision and opencv-python-headless (pip install them by name). Scenes: the predictions of a YOLOv8n
without training in tests/fixtures/yolov8_nms, and drawn ones of 8,400 cells and 80 classes with 3, 20 and 150 objects.
Two settings: validation's (scores above 0.001, each class of a box) and deployment's (above 0.25, a box's best class);
overlap 0.7, 300 detections. All take turns. Times are of the processor, shortest of the rounds, in two stages: finding
the candidates among all scores (for both peers by PyTorch, the best 30,000 of them), and suppressing those by class.
Prints a JSON object for each scene and setting, with the share of our detections that a peer has, too.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import cv2
import numpy
import torch
import torchvision

REPO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SETTINGS = [("validation", 0.001, "several"), ("deployment", 0.25, "best")]
IOU, MAX_KEPT, MAX_CANDIDATES = 0.7, 300, 30000
PATIENCE_US = 5e5  # OpenCV's turns in a scene


def read_tensors(file, wanted):
    with open(file, "rb") as data:
        text = data.read()
    start = 8 + int.from_bytes(text[:8], "little")
    header = json.loads(text[8:start])
    for name in wanted:
        begin, end = (start + offset for offset in header[name]["data_offsets"])
        yield numpy.frombuffer(text[begin:end], numpy.float32).reshape(header[name]["shape"])


def write_tensors(file, arrays):
    header, offset = {}, 0
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(file, "wb") as data:
        data.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            data.write(array.tobytes())


def predicted_scene(name):
    file = os.path.join(REPO, "tests/fixtures/yolov8_nms.safetensors")
    boxes, scores = read_tensors(file, [name + ".boxes_cxcywh", name + ".scores"])
    half = boxes[:, 2:] / 2
    return numpy.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], 1).astype(numpy.float32), scores.copy()


def drawn_scene(objects, seed=0):
    """Cells of strides 8, 16, 32 of a picture of 640 x 640. A cell that is inside an object predicts its box, the nearer to
    the middle the better and the surer, and is in doubt between some classes; others are sure of nothing."""
    draw = numpy.random.default_rng(seed)
    cells = numpy.concatenate([(numpy.stack(numpy.meshgrid(*[numpy.arange(640 // s)] * 2), -1).reshape(-1, 2) + 0.5) * s
                               for s in (8, 16, 32)])
    scores = numpy.exp(draw.normal(-12, 1.5, (len(cells), 80)))
    boxes = numpy.concatenate([cells - 16, cells + 16], 1) + draw.normal(0, 4, (len(cells), 4))
    for _ in range(objects):
        size, label = draw.uniform(24, 200, 2), draw.integers(80, size=3)
        middle = draw.uniform(size / 2, 640 - size / 2)
        away = numpy.abs((cells - middle) / size).max(1)
        inside = numpy.flatnonzero(away < 0.5)
        near = 1 - 2 * away[inside, None]
        box = numpy.concatenate([middle - size / 2, middle + size / 2])
        boxes[inside] = box + draw.normal(0, 0.12, (len(inside), 4)) * numpy.tile(size, 2) * (1.1 - near)
        scores[inside[:, None], label] = draw.beta(1.2, 1.2, (len(inside), 1)) * near**2 * [[0.95, 0.1, 0.02]]
    return boxes.astype(numpy.float32), scores.clip(0, 1).astype(numpy.float32)


def find(scores, threshold, which):
    if which == "several":
        box, label = torch.where(scores > threshold)
        best = scores[box, label]
    else:
        best, label = scores.max(1)
        box = torch.where(best > threshold)[0]
        best, label = best[box], label[box]
    if len(box) > MAX_CANDIDATES:
        order = best.argsort(descending=True)[:MAX_CANDIDATES]
        box, label, best = box[order], label[order], best[order]
    return box, label, best


def by_torchvision(boxes, label, score):
    return torchvision.ops.batched_nms(boxes, score, label, IOU)[:MAX_KEPT]


def by_opencv(boxes, label, score):  # boxes x, y, width, height
    return cv2.dnn.NMSBoxesBatched(boxes, score, label, 0.0, IOU)[:MAX_KEPT]


def microseconds(call):
    start = time.process_time_ns()
    result = call()
    return (time.process_time_ns() - start) / 1e3, result


class Ours:
    def __init__(self, build, file):
        self.process = subprocess.Popen([os.path.join(build, "tests/bench/rtdetr_bench_suppression"), file],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def turn(self, scene, threshold, which):
        self.process.stdin.write(f"{scene} {threshold} {which} {MAX_KEPT}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def compare(ours, name, scene, setting, rounds):
    (kind, threshold, which), (boxes, scores) = setting, map(torch.from_numpy, scene)
    times = {key: [] for key in ["find", "suppress", "torch_find", "torchvision", "opencv"]}
    for _ in range(rounds):
        mine = ours.turn(name, threshold, which)
        times["find"].append(mine["find_us"])
        times["suppress"].append(mine["suppress_us"])
        us, (box, label, score) = microseconds(lambda: find(scores, threshold, which))
        times["torch_find"].append(us)
        corners = boxes[box]
        us, vision = microseconds(lambda: by_torchvision(corners, label, score))
        times["torchvision"].append(us)
        sides = torch.cat([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1).numpy()
        numbers, values = label.to(torch.int32).numpy(), score.numpy()
        if sum(times["opencv"]) < PATIENCE_US:
            us, opencv = microseconds(lambda: by_opencv(sides, numbers, values))
            times["opencv"].append(us)
    best = {key: round(min(values) / 1e3, 3) for key, values in times.items()}
    kept = set(map(tuple, mine["kept"]))
    share = {peer: round(len(kept & {(int(box[i]), int(label[i])) for i in index}) / max(len(kept), 1), 3)
             for peer, index in [("torchvision", vision), ("opencv", opencv)]}
    return {"scene": name, "for": kind, "threshold": threshold, "candidates": mine["candidates"], "kept": len(kept),
            "find_ms": best["find"], "torch_find_ms": best["torch_find"], "suppress_ms": best["suppress"],
            "torchvision_ms": best["torchvision"], "opencv_ms": best["opencv"],
            "ratio": round((best["find"] + best["suppress"]) /
                           (best["torch_find"] + min(best["torchvision"], best["opencv"])), 3),
            "same": share, "rounds": rounds, "torchvision": torchvision.__version__, "opencv": cv2.__version__}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    scenes = {"yolov8n": predicted_scene("model")}
    scenes.update({f"{count}_objects": drawn_scene(count) for count in (3, 20, 150)})
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "scenes.safetensors")
        write_tensors(file, {f"{name}.{what}": array for name, scene in scenes.items()
                             for what, array in zip(("boxes_xyxy", "scores"), scene)})
        ours = Ours(arguments.build, file)
        for name, scene in scenes.items():
            for setting in SETTINGS:
                print(json.dumps(compare(ours, name, scene, setting, arguments.rounds)), flush=True)
        ours.process.stdin.close()
        ours.process.wait()


if __name__ == "__main__":
    sys.exit(main())

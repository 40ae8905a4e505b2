#!/usr/bin/env python3
"""What non-maximum suppression costs a detector that needs it, picture by picture.

usage: nms_cost.py YOLOV8.pt PICTURES_FOLDER [--sizes 320,640] [--rounds 5]

Needs ultralytics (pip install it by name). The model runs once on each picture; then its suppression alone is timed, in
one thread, at the threshold that validation uses (0.001, several classes a box) and at one for deployment (0.25). Prints
a JSON object for each size and threshold: boxes that enter it, milliseconds, detections that leave it, milliseconds of
the model.
"""
import argparse
import glob
import json
import os
import statistics
import time

import cv2
import torch
import torchvision  # ultralytics takes its compiled suppression if it is loaded
import ultralytics
from ultralytics.utils.nms import non_max_suppression

THRESHOLDS = [("validation", 0.001, True), ("deployment", 0.25, False)]
IOU = 0.7


def percentile(values, share):
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def shortest_ms(call, rounds):
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        result = call()
        times.append(1e3 * (time.perf_counter() - start))
    return min(times), result


def input_of(file, size):
    picture = cv2.resize(cv2.imread(file), (size, size))[:, :, ::-1]
    return torch.from_numpy(picture.transpose(2, 0, 1).copy())[None].float() / 255


def candidates(output, conf, several):
    scores = output[0, 4:]
    return int((scores > conf).sum() if several else (scores.amax(0) > conf).sum())


def measure(model, files, size, rounds):
    rows = {name: [] for name, _, _ in THRESHOLDS}
    model_ms = []
    for file in files:
        images = input_of(file, size)
        ms, output = shortest_ms(lambda: model(images)[0], 2)
        model_ms.append(ms)
        for name, conf, several in THRESHOLDS:
            copies = [output.clone() for _ in range(rounds)]  # which it changes
            ms, kept = shortest_ms(
                lambda: non_max_suppression(copies.pop(), conf, IOU, multi_label=several, max_det=300), rounds)
            rows[name].append((candidates(output, conf, several), ms, len(kept[0])))
    for name, conf, _ in THRESHOLDS:
        entering, ms, leaving = zip(*rows[name])
        yield {"size": size, "threshold": conf, "for": name, "pictures": len(files),
               "boxes_mean": round(statistics.mean(entering)), "boxes_max": max(entering),
               "nms_ms_median": round(statistics.median(ms), 3), "nms_ms_p95": round(percentile(ms, 0.95), 3),
               "nms_ms_max": round(max(ms), 3), "detections_mean": round(statistics.mean(leaving), 1),
               "model_ms_median": round(statistics.median(model_ms), 2), "ultralytics": ultralytics.__version__,
               "torchvision": torchvision.__version__}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("pictures")
    parser.add_argument("--sizes", default="320,640")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    files = sorted(glob.glob(os.path.join(arguments.pictures, "*.jpg")))
    model = ultralytics.YOLO(arguments.model).model.fuse().eval()
    with torch.inference_mode():
        for size in map(int, arguments.sizes.split(",")):
            for row in measure(model, files, size, arguments.rounds):
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()

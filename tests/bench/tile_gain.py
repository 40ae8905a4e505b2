#!/usr/bin/env python3
"""What tile= gains where objects are small: AP by size, of whole pictures and of tiles.

usage: tile_gain.py MODEL [--rtdetr build/release/rtdetr] [--split test] [--columns 4] [--rows 3]

Needs pillow (pip installs it by that name), and a model that was trained on the bundled blood cells, such as the demo's.
Their pictures are halved and put side by side on sheets of 1280 x 720 pixels, as a camera with a wide view would see
them, with their boxes. `rtdetr val` judges the sheets as a whole and in tiles of one picture's width.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

from PIL import Image

REPO = pathlib.Path(__file__).resolve().parents[2]
SAMPLES = REPO / "data/samples/bccd"
WIDTH, HEIGHT = 320, 240  # of a halved picture
STATS = {"AP": 0, "AP50": 1, "APs": 3, "APm": 4, "APl": 5, "ARs": 9}  # places among COCO's twelve


def make_sheets(folder, split, columns, rows):
    """Writes the sheets and their annotations in COCO's form; the data set's file."""
    labels = json.loads((SAMPLES / f"annotations/instances_{split}.json").read_text())
    of_picture = {}
    for box in labels["annotations"]:
        of_picture.setdefault(box["image_id"], []).append(box)
    images, annotations = [], []
    pictures = labels["images"]
    for first in range(0, len(pictures) - columns * rows + 1, columns * rows):
        sheet = Image.new("RGB", (columns * WIDTH, rows * HEIGHT))
        number = len(images) + 1
        for place, picture in enumerate(pictures[first:first + columns * rows]):
            left, top = place % columns * WIDTH, place // columns * HEIGHT
            photo = Image.open(SAMPLES / "images" / picture["file_name"]).convert("RGB")
            sheet.paste(photo.resize((WIDTH, HEIGHT), Image.LANCZOS), (left, top))
            across, down = WIDTH / picture["width"], HEIGHT / picture["height"]
            for box in of_picture.get(picture["id"], []):
                x, y, w, h = box["bbox"]
                moved = [left + x * across, top + y * down, w * across, h * down]
                annotations.append({"id": len(annotations) + 1, "image_id": number, "category_id": box["category_id"],
                                    "bbox": moved, "area": moved[2] * moved[3], "iscrowd": 0})
        name = f"sheet{number}.png"
        sheet.save(folder / name)
        images.append({"id": number, "file_name": name, "width": sheet.width, "height": sheet.height})
    (folder / "sheets.json").write_text(json.dumps(
        {"images": images, "annotations": annotations, "categories": labels["categories"]}))
    sheets = "{images: ., annotations: sheets.json}"
    (folder / "sheets.yaml").write_text(f"path: {folder}\ntrain: {sheets}\nval: {sheets}\n")
    print(f"{len(images)} sheets of {columns * WIDTH} x {rows * HEIGHT}, {len(annotations)} boxes")
    return folder / "sheets.yaml"


def judge(rtdetr, model, data, folder, words):
    """COCO's twelve figures of one `rtdetr val`, and its seconds."""
    begun = time.monotonic()
    done = subprocess.run([rtdetr, "val", f"model={model}", f"data={data}", "json=true", "quiet=true", "plots=false",
                           f"project={folder}", *words], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return json.loads(done.stdout)["stats"], time.monotonic() - begun


arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("model")
arguments.add_argument("--rtdetr", default=str(REPO / "build/release/rtdetr"))
arguments.add_argument("--split", default="test")
arguments.add_argument("--columns", type=int, default=4)
arguments.add_argument("--rows", type=int, default=3)
given = arguments.parse_args()
with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    data = make_sheets(folder, given.split, given.columns, given.rows)
    for words in [], [f"imgsz={2 * WIDTH}"], [f"tile={WIDTH}"], [f"tile={WIDTH}", "tile_whole=false"]:
        stats, seconds = judge(given.rtdetr, given.model, data, folder, words)
        figures = "  ".join(f"{name} {stats[at]:.3f}" for name, at in STATS.items())
        print(f"{' '.join(words) or 'whole':28}{figures}  {seconds:.1f} s")

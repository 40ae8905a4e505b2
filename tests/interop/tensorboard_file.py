"""The file that a run writes for TensorBoard, read by TensorBoard's own reader: every number of results.csv is there under its
column's name, at its epoch, and nothing else.
"""

import csv
import math
import pathlib
import subprocess
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from small_model import MODEL

PROGRAM, FOLDER = sys.argv[1], pathlib.Path.cwd()
FLOAT = 2**-23  # the file's numbers are float32


def main():
    (FOLDER / "small.yaml").write_text(MODEL, encoding="utf-8")
    subprocess.run([PROGRAM, "train", "model=small.yaml", "data=bccd", "epochs=3", "imgsz=64", "batch=16", "workers=1",
                    "seed=1", "plots=true", "project=runs", "name=exp", "quiet=true"], check=True)
    run = FOLDER / "runs/exp"
    with open(run / "results.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    expected = {}
    for row in rows:
        for column, text in row.items():
            if column.strip() not in ("epoch", "time") and text.strip():
                expected[column.strip(), int(row["epoch"])] = float(text)
    accumulator = EventAccumulator(str(run), size_guidance={"scalars": 0})
    accumulator.Reload()
    found = {(tag, event.step): event.value for tag in accumulator.Tags()["scalars"] for event in accumulator.Scalars(tag)}
    only_ours, only_theirs = expected.keys() - found.keys(), found.keys() - expected.keys()
    assert not only_ours and not only_theirs, (only_ours, only_theirs)
    assert len(rows) == 3 and len(expected) >= 3 * 5, expected
    for key, number in expected.items():
        assert math.isclose(found[key], number, rel_tol=FLOAT, abs_tol=1e-30), (key, found[key], number)
    print(f"TensorBoard reads {len(found)} numbers of {len(accumulator.Tags()['scalars'])} curves, those of results.csv")


main()

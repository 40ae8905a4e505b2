#!/usr/bin/env python3
"""hotcoco on the files of coco_eval_peers.py: RAYON_NUM_THREADS=1 python hotcoco_peer.py DIR [ROUNDS] >peers.json

One JSON object, as rtdetr_bench_coco_metric reads it: the best of ROUNDS processes, from the files to the twelve
numbers, without the import of the module. Needs pip install hotcoco==1.3.0."""
import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import time


def one(folder):
    import hotcoco
    begin_rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    laps, last = {}, [cpu]

    def lap(name):
        now = time.process_time()
        laps[name], last[0] = round(now - last[0], 3), now

    with contextlib.redirect_stdout(io.StringIO()):
        truth = hotcoco.COCO(os.path.join(folder, "gt.json"))
        lap("truth")
        found = truth.load_res(os.path.join(folder, "dt.json"))
        lap("results")
        evaluation = hotcoco.COCOeval(truth, found, "bbox")
        evaluation.evaluate()
        lap("evaluate")
        evaluation.accumulate()
        lap("accumulate")
        evaluation.summarize()
        lap("summarize")
    return {"peer": "hotcoco", "version": hotcoco.__version__, "cpu_s": round(time.process_time() - cpu, 3),
            "wall_s": round(time.perf_counter() - wall, 3), "laps": laps,
            "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "start_rss_mib": begin_rss // 1024,
            "stats": [float(v) for v in evaluation.stats[:12]]}


if sys.argv[1] == "--one":
    print(json.dumps(one(sys.argv[2])))
else:
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    runs = [json.loads(subprocess.run([sys.executable, __file__, "--one", sys.argv[1]], check=True, capture_output=True,
                                      text=True).stdout) for _ in range(rounds)]
    print(json.dumps(min(runs, key=lambda run: run["cpu_s"])))
